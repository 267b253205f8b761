"""What a dead-man takes for silence, and how it cancels."""

import ast
import inspect
import os
import threading

import pytest

import broker.canceler
from broker.canceler import AlpacaCanceler, CancelerConfig
from domain.errors import BrokerRefused
from engine.deadman.duty import GOODBYE, Acted, Duty
from engine.deadman.post import Post
from engine.deadman.watch import ORPHANED, act, wait_for_silence


@pytest.fixture
def pipe():
    reading, writing = os.pipe()
    ends = [reading, writing]
    yield ends
    for end in ends:
        os.close(end)


class Venue:
    """Entries that vanish when cancelled, at once or after some refusals."""

    def __init__(self, *names, refusals=0):
        self.entries = [
            broker.canceler.WorkingEntry(venue_order_id=n, client_order_id=n) for n in names
        ]
        self.refusals = refusals
        self.lock = threading.Lock()

    def working_entries(self):
        with self.lock:
            if self.refusals:
                self.refusals -= 1
                raise BrokerRefused("The venue answered HTTP 503.", status=503)
            return list(self.entries)

    def cancel(self, venue_order_id):
        with self.lock:
            self.entries = [each for each in self.entries if each.venue_order_id != venue_order_id]


def acted(venue, *, is_relieved=lambda: False, give_up_s=5.0):
    """Act on a clock that moves only by sleeping."""
    time = [0.0]

    def sleep(seconds):
        time[0] += max(seconds, 0.01)

    return act(
        venue,
        "test",
        give_up_s=give_up_s,
        is_relieved=is_relieved,
        now=lambda: time[0],
        sleep=sleep,
    )


def test_goodbye_is_no_silence(pipe):
    """An orderly stop has cancelled its entries itself."""
    os.write(pipe[1], b"..." + GOODBYE)
    assert wait_for_silence(pipe[0], 5) is None


def test_a_closed_pipe_is_a_dead_engine(pipe):
    """`kill -9` says nothing: the kernel closes the pipe."""
    os.write(pipe[1], b"...")
    os.close(pipe[1])
    pipe[1] = os.dup(pipe[0])
    assert wait_for_silence(pipe[0], 5) == ORPHANED


def test_silence_acts(pipe):
    """A hung event loop and a stopped process keep the pipe open."""
    os.write(pipe[1], b".")
    assert "0.05 s" in wait_for_silence(pipe[0], 0.05)


def test_every_entry_is_cancelled_and_the_venue_is_asked_again():
    """What it says is gone has been looked for afterwards."""
    venue = Venue(*(f"ah-o{n}-entry-1" for n in range(50)))
    done = acted(venue)
    assert len(done.asked) == 50
    assert (done.left, done.fault) == ((), "")
    assert done.answered_s is not None
    assert "none works any more" in done.line


def test_a_venue_that_is_away_is_asked_until_it_answers():
    """The engine died with the network; the network comes back."""
    done = acted(Venue("ah-o-entry-1", refusals=3))
    assert done.asked == ("ah-o-entry-1",)
    assert done.gone_s is not None


def test_it_gives_up_and_says_why():
    """A child never outlives its purpose."""
    done = acted(Venue("ah-o-entry-1", refusals=10_000))
    assert done.gone_s is None
    assert "503" in done.line


def test_a_new_run_relieves_it():
    """The next run's entries are not its to cancel."""
    venue = Venue("ah-o-entry-1")
    done = acted(venue, is_relieved=lambda: True)
    assert done.asked == ()
    assert venue.entries


def test_the_newest_has_the_post(tmp_path):
    """Whoever finds another's name there has been relieved."""
    first, second = Post(tmp_path / "post"), Post(tmp_path / "post")
    assert first.take()
    assert not first.is_relieved()
    leaving = threading.Timer(0.2, lambda: os.close(first._fd))
    leaving.start()
    assert second.take()
    assert not second.is_relieved()
    leaving.join()


def test_its_hands_can_list_and_cancel_and_nothing_else():
    """No method places or changes an order, and no other verb of HTTP stands in the module."""
    public = {name for name in vars(AlpacaCanceler) if not name.startswith("_")}
    assert public == {"working_entries", "cancel"}
    texts = {
        node.value
        for node in ast.walk(ast.parse(inspect.getsource(broker.canceler)))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert {"GET", "DELETE"} <= texts
    assert not {"POST", "PUT", "PATCH"} & texts


def test_secrets_do_not_print():
    """Neither of the two records that carry them."""
    duty = Duty(url="u", key="k", secret="canary", silence_s=1, post_path="p", log_path="l")
    assert "canary" not in repr(duty)
    assert "canary" not in repr(CancelerConfig(url="u", key="k", secret="canary"))


def test_the_line_names_what_still_works():
    """A person must know what is left to do by hand."""
    done = Acted(why="w", asked=("a", "b"), left=("b",), answered_s=None, gone_s=None, fault="f")
    assert "still working: b" in done.line
