// Ask the bot and listen to it. The token, where one is needed, lives for as long as the tab.

const TOKEN = "autohedge-token";

function headers(more = {}) {
  const token = sessionStorage.getItem(TOKEN);
  return token ? { ...more, Authorization: `Bearer ${token}` } : more;
}

let asking = null;

function askToken() {
  asking ??= new Promise((done) => {
    const dialog = document.createElement("dialog");
    const input = element("input", { type: "password", autocomplete: "off" });
    input.setAttribute("aria-label", "Token");
    const enter = element("button", {}, "Enter");
    const finish = () => {
      sessionStorage.setItem(TOKEN, input.value.trim());
      dialog.close();
      dialog.remove();
      asking = null;
      done();
    };
    enter.addEventListener("click", finish);
    input.addEventListener("keydown", (event) => event.key === "Enter" && finish());
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    dialog.append(element("h3", {}, "This bot asks for its API_TOKEN"), input, enter);
    document.body.append(dialog);
    dialog.showModal();
  });
  return asking;
}

/** Fetch, asking for the token as often as the bot refuses it. */
async function send(path, options = {}) {
  for (;;) {
    const answer = await fetch(path, { ...options, headers: headers(options.headers) });
    if (answer.status !== 401) return answer;
    await askToken();
  }
}

/** Return what the bot answers; throw its problem, which has `detail` and `remedy`. */
export async function ask(method, path, body) {
  const options = body === undefined ? { method } : {
    method, body: JSON.stringify(body), headers: { "Content-Type": "application/json" },
  };
  const answer = await send(path, options);
  const content = await answer.json();
  if (!answer.ok) throw content;
  return content;
}

/**
 * Follow /events for ever: `hear(kind, data)` for each, `state(isUp)` for the link itself. `last` is
 * the number of the last entry that is known, null to begin now.
 */
export async function listen(hear, state, last) {
  for (let pause = 500; ; pause = Math.min(pause * 2, 10000)) {
    try {
      const answer = await send("/events", last === null ? {} : { headers: { "Last-Event-ID": last } });
      if (answer.ok) {
        state(true);
        pause = 250;
        for await (const event of events(answer.body)) {
          last = event.id ?? last;
          hear(event.kind, JSON.parse(event.data));
        }
      }
    } catch (error) {
      console.info("events: trying again", error);
    }
    state(false);
    await new Promise((next) => setTimeout(next, pause));
  }
}

async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    let end;
    while ((end = text.indexOf("\n\n")) >= 0) {
      const fields = Object.fromEntries(
        text.slice(0, end).split("\n").map((line) => {
          const at = line.indexOf(": ");
          return [line.slice(0, at), line.slice(at + 2)];
        }),
      );
      text = text.slice(end + 2);
      if (fields.data) yield { kind: fields.event, id: fields.id, data: fields.data };
    }
  }
}

/** Make an element; children are nodes or text, and text is never read as markup. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined).map((child) => child instanceof Node ? child : String(child)));
  return made;
}
