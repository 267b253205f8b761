"""Who may ask: this machine, holders of the token, and no foreign page."""

import asyncio
import socket

import pytest
from starlette.types import Receive, Scope, Send

from api.app import served_routes
from api.cli.running.door import Door
from api.cli.running.serving import _listening
from api.security import AccessTable, Gatekeeper, SecurityConfig, is_loopback
from api.security.gate import Bucket
from domain.errors import ConfigError

TOKEN = "correct-horse-battery-staple"


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:3000", "127.0.0.1.evil.example", ""]
)
async def test_name_that_is_not_ours_is_refused_on_every_path(desk, host) -> None:
    """A page that rebinds its name to 127.0.0.1 still sends its own name (DNS rebinding)."""
    for method, path in (("GET", "/status"), ("POST", "/start"), ("GET", "/"), ("GET", "/events")):
        answer = await desk.http.request(method, path, headers={"host": host})
        assert (answer.status_code, answer.json()["code"]) == (403, "HOST_NOT_ALLOWED")
    assert desk.engine.asked == []


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:3000", "127.0.0.1:3000", "[::1]:3000"])
async def test_names_of_this_machine_are_ours(desk, host) -> None:
    """With any port: a forward may have changed it."""
    assert (await desk.http.get("/status", headers={"host": host})).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://[nonsense"},
        {"origin": "http://127.0.0.1:1"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
async def test_page_of_another_site_cannot_post(desk, headers) -> None:
    """Not even from another port of this machine."""
    answer = await desk.http.post("/start", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "ORIGIN_NOT_ALLOWED")
    assert desk.engine.asked == []


async def test_our_own_page_and_a_link_to_it_are_let_in(desk) -> None:
    """Same origin for controls; a navigation from elsewhere may show the page."""
    own = {"origin": f"http://127.0.0.1:{desk.port}", "sec-fetch-site": "same-origin"}
    assert (await desk.http.post("/start", headers=own)).status_code == 200
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert (await desk.http.get("/", headers=link)).status_code == 200


async def test_token_is_asked_of_everyone_once_it_is_set(serving) -> None:
    """Missing, wrong, and under another scheme: 401 each, and nothing was done."""
    desk = await serving(SecurityConfig(token=TOKEN))
    for given in (None, "Bearer wrong", f"Basic {TOKEN}", "Bearer", f"Bearer {TOKEN}x", "Bearer é"):
        headers = {} if given is None else {"authorization": given.encode()}
        answer = await desk.http.post("/start", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "TOKEN_INVALID")
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert TOKEN not in answer.text
    assert desk.engine.asked == []
    right = {"authorization": f"bearer {TOKEN}"}
    assert (await desk.http.post("/start", headers=right)).status_code == 200
    assert (await desk.http.get("/metrics")).status_code == 401
    assert (await desk.http.get("/events")).status_code == 401


@pytest.mark.parametrize("path", ["/", "/docs", "/health", "/favicon.svg", "/static/any/main.js"])
async def test_pages_without_data_and_probes_need_no_token(serving, path) -> None:
    """The page asks its reader for the token itself."""
    desk = await serving(SecurityConfig(token=TOKEN))
    assert (await desk.http.get(path)).status_code == 200


async def refuse_remote(config: SecurityConfig, client: tuple[str, int] | None) -> int:
    """Ask as if from another address; return the status."""
    statuses: list[int] = []

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    async def receive():
        return {"type": "http.request"}

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/status",
        "headers": [(b"host", b"127.0.0.1"), (b"authorization", f"Bearer {TOKEN}".encode())],
        "client": client,
    }
    await Gatekeeper(app, config, AccessTable(served_routes()))(scope, receive, send)
    return statuses[0]


async def test_other_machines_are_refused_without_a_token_and_let_in_with_it() -> None:
    """Even when the socket listens where it should not."""
    assert await refuse_remote(SecurityConfig(), ("192.0.2.7", 5)) == 403
    assert await refuse_remote(SecurityConfig(token=TOKEN), ("192.0.2.7", 5)) == 200
    for local in (("127.0.0.1", 5), ("::1", 5), ("::ffff:127.0.0.1", 5), None):
        assert await refuse_remote(SecurityConfig(), local) == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.com"])
def test_listening_beyond_this_machine_needs_a_token(host) -> None:
    """The earlier system's API was bound to every interface, without a key (SEED, defect 8)."""
    with pytest.raises(ConfigError, match="API_TOKEN"):
        SecurityConfig().check_bind(host)
    SecurityConfig(token=TOKEN).check_bind(host)
    SecurityConfig().check_bind("127.0.0.1")
    assert not is_loopback(host)


@pytest.mark.parametrize("options", [{"token": "short"}, {"hosts": ("bot.example",)}])
def test_settings_that_would_open_the_door_are_refused(options) -> None:
    """A token that could be guessed, a public name without any."""
    with pytest.raises(ConfigError, match="API_TOKEN"):
        SecurityConfig(**options)


def test_token_never_prints() -> None:
    """Not in a log line, not in a traceback."""
    config = SecurityConfig(token=TOKEN)
    assert TOKEN not in f"{config!r} {config}"


async def test_configured_name_is_ours_too(serving) -> None:
    """Behind a proxy that ends TLS the bot is called by its public name."""
    desk = await serving(SecurityConfig(token=TOKEN, hosts=("bot.example",)))
    headers = {"host": "BOT.example", "authorization": f"Bearer {TOKEN}"}
    assert (await desk.http.get("/status", headers=headers)).status_code == 200


async def test_every_answer_carries_safe_headers(desk) -> None:
    """Answers and refusals alike; no page may frame us, load scripts into us, or guess types."""
    for path, headers in (("/status", {}), ("/nothing", {}), ("/", {}), ("/", {"host": "evil"})):
        answer = await desk.http.get(path, headers=headers)
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "server" not in answer.headers


async def test_rates_are_bounded_and_reads_do_not_crowd_out_what_protects(serving) -> None:
    """Whoever floods the reads still leaves halt and stop open."""
    desk = await serving(
        SecurityConfig(read_rate=(0.0, 3), control_rate=(0.0, 1), protective_rate=(0.0, 2))
    )
    reads = [(await desk.http.get("/status")).status_code for _ in range(4)]
    assert reads == [200, 200, 200, 429]
    controls = [(await desk.http.post("/start")).status_code for _ in range(2)]
    assert controls == [200, 429]
    assert (await desk.http.post("/halt")).status_code == 200
    assert (await desk.http.post("/stop")).status_code == 200
    refused = await desk.http.post("/flatten")
    assert (refused.status_code, refused.json()["code"]) == (429, "TOO_MANY_REQUESTS")
    assert refused.headers["retry-after"] == "1"


async def test_open_requests_are_bounded_and_what_protects_passes(serving) -> None:
    """Streams fill the house; /halt still enters."""
    desk = await serving(SecurityConfig(max_in_flight=2))
    async with (
        desk.http.stream("GET", "/events") as one,
        desk.http.stream("GET", "/events") as two,
    ):
        assert (one.status_code, two.status_code) == (200, 200)
        busy = await desk.http.get("/status")
        assert (busy.status_code, busy.json()["code"]) == (503, "TOO_BUSY")
        assert (await desk.http.post("/halt")).status_code == 200


def test_bucket_refills_at_its_rate_and_no_further_than_its_burst() -> None:
    """Two at once, then one every half second."""
    now = [0.0]
    bucket = Bucket(2.0, 2, lambda: now[0])
    assert [bucket.take() for _ in range(3)] == [True, True, False]
    now[0] = 0.5
    assert [bucket.take() for _ in range(2)] == [True, False]
    now[0] = 100
    assert [bucket.take() for _ in range(3)] == [True, True, False]


async def test_line_of_rubbish_on_the_socket_harms_nobody(desk) -> None:
    """What is no HTTP is answered as such, and the next request works."""
    reader, writer = await asyncio.open_connection("127.0.0.1", desk.port)
    writer.write(b"\x16\x03\x01 rubbish\r\n\r\n")
    answer = await asyncio.wait_for(reader.read(), 60)
    assert b"400" in answer.split(b"\r\n")[0]
    writer.close()
    assert (await desk.http.get("/status")).status_code == 200


@pytest.mark.parametrize("label", ["application/x-www-form-urlencoded", "text/plain", "", "a/json"])
async def test_what_a_form_can_post_is_not_taken(desk, label) -> None:
    """Forms and untyped blobs need no preflight: a page could send them."""
    headers = {"content-type": label} if label else {}
    answer = await desk.http.post("/start", content=b'{"reason": "x"}', headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (415, "MEDIA_TYPE_REFUSED")
    own = {"origin": f"http://127.0.0.1:{desk.port}", "content-type": "text/plain"}
    answer = await desk.http.post("/halt", content=b"{}", headers=own)
    assert answer.status_code == 415
    assert desk.engine.asked == []


async def test_json_and_nothing_at_all_are_taken(desk) -> None:
    """With a character set too; an empty body needs no label."""
    typed = {"content-type": "Application/JSON; charset=utf-8"}
    answer = await desk.http.post("/start", content=b"{}", headers=typed)
    assert answer.status_code == 200
    assert (await desk.http.post("/start")).status_code == 200


@pytest.mark.parametrize("size", ["65537", "1e3", "-1", "9" * 400])
async def test_a_body_announced_too_large_is_refused_before_it_comes(desk, size) -> None:
    """Nonsense is no size."""
    reader, writer = await asyncio.open_connection("127.0.0.1", desk.port)
    writer.write(
        f"POST /start HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {size}\r\n\r\n".encode()
    )
    answer = await asyncio.wait_for(reader.read(), 60)
    assert answer.split(b" ")[1] in {b"413", b"400"}
    writer.close()
    assert desk.engine.asked == []


async def test_strangers_cannot_use_up_what_holders_of_tokens_read_with(serving) -> None:
    """Pages and probes, which need no token, have a rate of their own."""
    desk = await serving(SecurityConfig(token=TOKEN, open_rate=(0.0, 1)))
    assert [(await desk.http.get("/health")).status_code for _ in range(2)] == [200, 429]
    headers = {"authorization": f"Bearer {TOKEN}"}
    assert (await desk.http.get("/status", headers=headers)).status_code == 200


async def test_one_address_cannot_hold_all_streams(serving) -> None:
    """Two from here, and the third is told to close one."""
    desk = await serving(max_watchers_per_client=2)
    async with desk.http.stream("GET", "/events"), desk.http.stream("GET", "/events"):
        third = await desk.http.get("/events")
        assert (third.status_code, third.json()["code"]) == (429, "TOO_MANY_STREAMS")


async def test_a_crash_carries_safe_headers_too(desk, caplog) -> None:
    """It is answered outside of the gate."""
    caplog.set_level("CRITICAL")
    desk.engine.refusal = ZeroDivisionError("a defect")
    answer = await desk.http.get("/status")
    assert answer.status_code == 500
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


def test_our_answers_do_not_wait_for_an_acknowledgement() -> None:
    """A socket that named no protocol got no TCP_NODELAY: each answer came 40 ms late."""
    with _listening(Door(host="127.0.0.1", port=0, security=SecurityConfig())) as listener:
        assert listener.proto == socket.IPPROTO_TCP
