"""Compile the graph: four agents, an exit at every edge, and with approvals a fifth node."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from langgraph.graph import END, START, StateGraph

from domain.decisions import Decision
from graph.approval.node import OUTCOMES, approve
from graph.director import direct
from graph.execution import execute
from graph.quant import quantify
from graph.risk import weigh
from graph.routing import after_director, after_execution, after_quant, after_risk
from graph.state import Context, State, WindowFile

if TYPE_CHECKING:
    from langgraph.checkpoint.base import BaseCheckpointSaver

NAME = "decision"
# Five nodes and their input at most; beyond that something loops.
RECURSION_LIMIT = 8

# What the edges mean, for the picture, which fails on an edge without a word here. The Director's
# hold covers a confidence under the floor, a position already there, and a forbidden short.
LABELS = {
    ("director", "quant"): "open",
    ("director", "execution"): "close",
    ("director", "__end__"): "hold",
    ("quant", "risk"): "confirmed",
    ("quant", "__end__"): "rejected",
    ("risk", "execution"): "approved",
    ("risk", "__end__"): "rejected",
    ("execution", "approval"): "order (only when a person must approve)",
    ("execution", "__end__"): "order, or invalid",
}

_LIT = "stroke:#2f6fde,stroke-width:3px"

Graph = StateGraph[State, Context, WindowFile, State]


def build(*, with_approval: bool = False) -> Graph:
    """Lay out nodes and edges; the routers' return types are the edges."""
    graph: Graph = StateGraph(State, Context, input_schema=WindowFile, output_schema=State)
    graph.add_node("director", direct)
    graph.add_node("quant", quantify)
    graph.add_node("risk", weigh)
    graph.add_node("execution", execute)
    graph.add_edge(START, "director")
    graph.add_conditional_edges("director", after_director)
    graph.add_conditional_edges("quant", after_quant)
    graph.add_conditional_edges("risk", after_risk)
    if with_approval:
        graph.add_node("approval", approve)
        graph.add_conditional_edges("execution", after_execution)
        graph.add_edge("approval", "__end__")
    else:
        graph.add_edge("execution", "__end__")
    return graph


@cache
def trading_graph() -> Any:
    """Return the graph of the trading path: compiled once, without a checkpointer.

    The journal is the record, and a crash drops the run. Studio brings its own checkpointer.
    """
    return build().compile(name=NAME)


def approval_graph(saver: BaseCheckpointSaver[Any]) -> Any:
    """Compile the graph that stops for a person; run it with `durability="exit"`.

    One thread a decision (`{symbol}:{decision_id}`), deleted when it has ended.
    """
    return build(with_approval=True).compile(checkpointer=saver, name=NAME)


def picture(way: Sequence[str] = ()) -> str:
    """Draw the graph with approvals as Mermaid: the pictures in the documents, made from the code.

    `way` is what a run passed, from `__start__` to `__end__`; it is drawn in colour.
    """
    drawing = build(with_approval=True).compile(name=NAME).get_graph()
    order = list(drawing.nodes)
    edges = sorted(drawing.edges, key=lambda e: (order.index(e.source), order.index(e.target)))
    lines = ["flowchart LR", '    __start__(["window"])', '    __end__(["decision"])']
    for edge in edges:
        arrow = f'-- "{LABELS[edge.source, edge.target]}" -->' if edge.conditional else "-->"
        lines.append(f"    {edge.source} {arrow} {edge.target}")
    steps = set(pairwise(way))
    passed = [str(n) for n, edge in enumerate(edges) if (edge.source, edge.target) in steps]
    if passed:
        lines.append(f"    linkStyle {','.join(passed)} {_LIT}")
        lines += [f"    style {node} {_LIT}" for node in way]
    return "\n".join(lines) + "\n"


def way_of(decision: Decision) -> tuple[str, ...]:
    """Return what a run passed: each agent that was asked, and the person if one was."""
    asked = dict.fromkeys(call.role.value for call in decision.calls)
    waited = ("approval",) if decision.reason_code in OUTCOMES else ()
    return (START, *asked, *waited, END)
