"""Compile the graph: four agents, an exit at every edge, and with approvals a fifth node."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from langgraph.graph import START, StateGraph

from graph.approval.node import approve
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


def picture() -> str:
    """Draw the graph with approvals as Mermaid: the picture in the README, made from the code."""
    drawing = build(with_approval=True).compile(name=NAME).get_graph()
    order = list(drawing.nodes)
    edges = sorted(drawing.edges, key=lambda e: (order.index(e.source), order.index(e.target)))
    lines = ["flowchart LR", '    __start__(["window"])', '    __end__(["decision"])']
    for edge in edges:
        arrow = f'-- "{LABELS[edge.source, edge.target]}" -->' if edge.conditional else "-->"
        lines.append(f"    {edge.source} {arrow} {edge.target}")
    return "\n".join(lines) + "\n"
