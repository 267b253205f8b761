"""Hold the desk: the pages a person looks at, and the scripts that ask HTTP and show its answers.

Every script is ours, a plain module that the browser loads as it is written here; nothing is built
and nothing comes from elsewhere. Text is never read as markup.
"""
