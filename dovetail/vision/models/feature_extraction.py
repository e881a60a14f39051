"""What a network computes on its way: the outputs of named modules, by torchvision's words.

A node is the call of a module: "layer4", "layer1.0.relu"; a module that is called more than once has "layer1.0.relu_1"
for its second call. The network runs until the last wanted node and no further.
"""

from __future__ import annotations

import copy
import difflib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from dovetail import nn
from dovetail.base.errors import ArgumentError, message
from dovetail.tensor.modes import no_grad
from dovetail.tensor.tensor import Tensor


class Reached(Exception):
    """Ends a run once every wanted node has been there."""


class Listener:
    """Hooks on every module of a network; writes down what each call returns, in order."""

    def __init__(self, network: nn.Module, wanted: set[str] | None):
        self.wanted, self.found = wanted, OrderedDict()
        self.calls: dict[str, int] = {}
        self.handles = [
            module.register_forward_hook(self.hook(name)) for name, module in network.named_modules() if name
        ]

    def hook(self, name: str):
        def heard(module: nn.Module, inputs: tuple, output: Any) -> None:
            nth = self.calls[name] = self.calls.get(name, 0) + 1
            node = name if nth == 1 else f"{name}_{nth - 1}"
            if self.wanted is None or node in self.wanted:
                self.found[node] = output
                if self.wanted is not None and len(self.found) == len(self.wanted):
                    raise Reached

        return heard

    def run(self, network: nn.Module, *args: Any, **kwargs: Any) -> OrderedDict[str, Any]:
        """The outputs by node."""
        try:
            network(*args, **kwargs)
        except Reached:
            pass
        finally:
            for handle in self.handles:
                handle.remove()
        return self.found


def get_graph_node_names(model: nn.Module, *example: Tensor, **ignored: Any) -> tuple[list[str], list[str]]:
    """(nodes in training, nodes in evaluation): calls of modules, in the order in which they end.

    example: what to run the model on; without it the modules are listed as they stand, and repeated calls are not seen.
    """
    if not example:
        names = [name for name, _ in model.named_modules() if name]
        return names, list(names)
    was, lists = model.training, []
    for training in (True, False):
        twin = copy.deepcopy(model).train(training)  # running statistics must not move
        with no_grad():
            lists.append(list(Listener(twin, None).run(twin, *example)))
    model.train(was)
    return lists[0], lists[1]


class FeatureExtractor(nn.Module):
    """A network that returns the outputs of some of its modules, by the names they were given.

    Parameters have the names that they have in the network.
    """

    def __init__(self, network: nn.Module, nodes: Mapping[str, str]):
        super().__init__()
        for name, child in network.named_children():
            self.add_module(name, child)
        object.__setattr__(self, "network", network)  # beside the modules: their names stay the network's own
        self.nodes = dict(nodes)

    def train(self, mode: bool = True) -> FeatureExtractor:
        self.network.train(mode)
        self.training = mode
        return self

    def forward(self, *args: Any, **kwargs: Any) -> OrderedDict[str, Any]:
        found = Listener(self.network, set(self.nodes)).run(self.network, *args, **kwargs)
        missing = [node for node in self.nodes if node not in found]
        if missing:
            facts = [("not called", ", ".join(missing))]
            raise ArgumentError(message("create_feature_extractor", "the network ended before these nodes", facts))
        return OrderedDict((name, found[node]) for node, name in self.nodes.items())


def create_feature_extractor(
    model: nn.Module,
    return_nodes: Sequence[str] | Mapping[str, str] | None = None,
    train_return_nodes: Sequence[str] | Mapping[str, str] | None = None,
    eval_return_nodes: Sequence[str] | Mapping[str, str] | None = None,
    **ignored: Any,
) -> FeatureExtractor:
    """The model as one that returns a dict of what some of its modules compute.

    return_nodes: names of modules, or a mapping from them to the names in the result.
    Raises: ArgumentError for a node that is no module, naming the nearest.

    >>> from dovetail import rand
    >>> network = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 4))
    >>> create_feature_extractor(network, {"1": "hidden"})(rand(5, 2))["hidden"].shape
    dovetail.Size([5, 3])
    """
    given = return_nodes if return_nodes is not None else eval_return_nodes or train_return_nodes or []
    nodes = dict(given) if isinstance(given, Mapping) else {name: name for name in given}
    known = {name for name, _ in model.named_modules()}
    for node in nodes:
        stem, _, number = node.rpartition("_")
        if node not in known and not (number.isdigit() and stem in known):
            near = difflib.get_close_matches(node, known, 3)
            facts = [("node", node), ("nearest", ", ".join(near) or "none")]
            cure = "Nodes are calls of modules (model.named_modules()); functions between them are not nodes here."
            raise ArgumentError(message("create_feature_extractor", "there is no such node", facts, cure))
    return FeatureExtractor(model, nodes)


class IntermediateLayerGetter(nn.ModuleDict):
    """The children of a network up to the last wanted one, run one after the other.

    return_layers: names of children -> names in the result.
    Source: agrees with torchvision.models._utils.IntermediateLayerGetter.
    """

    def __init__(self, model: nn.Module, return_layers: Mapping[str, str]):
        children = dict(model.named_children())
        if not set(return_layers) <= set(children):
            facts = [("wanted", ", ".join(return_layers)), ("there are", ", ".join(children))]
            raise ArgumentError(message("IntermediateLayerGetter", "return_layers are not present in model", facts))
        left, layers = set(return_layers), OrderedDict()
        for name, child in children.items():
            layers[name] = child
            left.discard(name)
            if not left:
                break
        super().__init__(layers)
        self.return_layers = {str(name): str(new) for name, new in return_layers.items()}

    def forward(self, x: Tensor) -> OrderedDict[str, Tensor]:
        out: OrderedDict[str, Tensor] = OrderedDict()
        for name, child in self.items():
            x = child(x)
            if name in self.return_layers:
                out[self.return_layers[name]] = x
        return out
