"""Serve the graph to LangGraph Studio: `langgraph dev` finds `graph` here.

Studio brings its own checkpointer, so none is given. Nothing here can trade: this module may import
neither the engine nor a broker (an import contract), and a run of the graph only returns data.
"""

from __future__ import annotations

from graph.build import trading_graph

graph = trading_graph()
