"""Be the measure: a LangGraph of four nodes that do nothing."""

from __future__ import annotations

from typing import Any, Literal

from langgraph.graph import START, StateGraph
from typing_extensions import TypedDict


class Said(TypedDict, total=False):
    """The bare graph's state: the same window, and a word of each node."""

    schema: int
    window: dict[str, Any]
    directive: dict[str, Any]
    signal: dict[str, Any]
    verdict: dict[str, Any]
    request: dict[str, Any]


def bare_graph() -> Any:
    """Compile four async nodes with conditional edges and async routers that do nothing."""

    async def director(_: Said) -> Said:
        return {"directive": {"action": "buy"}}

    async def quant(_: Said) -> Said:
        return {"signal": {"confirmed": True}}

    async def risk(_: Said) -> Said:
        return {"verdict": {"approved": True}}

    async def execution(_: Said) -> Said:
        return {"request": {"side": "buy"}}

    async def after_director(state: Said) -> Literal["quant", "__end__"]:
        return "quant" if state["directive"]["action"] == "buy" else "__end__"

    async def after_quant(state: Said) -> Literal["risk", "__end__"]:
        return "risk" if state["signal"]["confirmed"] else "__end__"

    async def after_risk(state: Said) -> Literal["execution", "__end__"]:
        return "execution" if state["verdict"]["approved"] else "__end__"

    graph = StateGraph(Said)
    for node in (director, quant, risk, execution):
        graph.add_node(node.__name__, node)
    graph.add_edge(START, "director")
    graph.add_conditional_edges("director", after_director)
    graph.add_conditional_edges("quant", after_quant)
    graph.add_conditional_edges("risk", after_risk)
    graph.add_edge("execution", "__end__")
    return graph.compile()
