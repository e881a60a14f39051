"""L-BFGS (Liu & Nocedal 1989), with the strong Wolfe line search of Nocedal & Wright (2006, algorithms 3.5 and 3.6).

The parameters are handled as one long vector. Decisions need numbers, so this optimizer looks at values as it goes; its
state has torch's names.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dovetail.base.errors import ArgumentError
from dovetail.ops.shape import cat
from dovetail.optim.optimizer import Optimizer, check
from dovetail.tensor.modes import enable_grad, no_grad
from dovetail.tensor.tensor import Tensor


class Point:
    """A step length along the search direction, with the loss, the gradient and the slope there."""

    def __init__(self, t: float, loss: float, grad: Tensor, slope: float):
        self.t, self.loss, self.grad, self.slope = t, loss, grad, slope


def cubic_minimum(a: Point, b: Point, bounds: tuple[float, float] | None = None) -> float:
    """Where the cubic through two points and slopes is smallest, kept within bounds (default: between them)."""
    low, high = bounds if bounds is not None else (min(a.t, b.t), max(a.t, b.t))
    d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
    square = d1 * d1 - a.slope * b.slope
    if square < 0:
        return (low + high) / 2.0
    d2 = square**0.5
    near, far = (a, b) if a.t <= b.t else (b, a)
    t = far.t - (far.t - near.t) * ((far.slope + d2 - d1) / (far.slope - near.slope + 2 * d2))
    return min(max(t, low), high)


class WolfeSearch:
    """Looks for a step length that lowers the loss enough (c1) and flattens the slope enough (c2)."""

    def __init__(self, evaluate: Callable[[float], Point], start: Point, size: float, tolerance: float, most: int):
        self.evaluate, self.start, self.size, self.tolerance, self.most = evaluate, start, size, tolerance, most
        self.c1, self.c2 = 1e-4, 0.9
        self.evaluations = self.rounds = 0

    def look(self, t: float) -> Point:
        self.evaluations += 1
        return self.evaluate(t)

    def too_high(self, p: Point) -> bool:
        return p.loss > self.start.loss + self.c1 * p.t * self.start.slope

    def flat(self, p: Point) -> bool:
        return abs(p.slope) <= -self.c2 * self.start.slope

    def run(self, t: float) -> Point:
        bracket = self.bracket(t)
        return bracket[0] if len(bracket) == 1 else self.zoom(bracket)

    def bracket(self, t: float) -> list[Point]:
        """Two points with a good one between them, or one good point."""
        before, now = self.start, self.look(t)
        while self.rounds < self.most:
            if self.too_high(now) or (self.rounds > 1 and now.loss >= before.loss):
                return [before, now]
            if self.flat(now):
                return [now]
            if now.slope >= 0:
                return [before, now]
            t = cubic_minimum(before, now, (now.t + 0.01 * (now.t - before.t), now.t * 10))
            before, now = now, self.look(t)
            self.rounds += 1
        return [self.start, now]

    def zoom(self, bracket: list[Point]) -> Point:
        """The bracket made smaller until a point in it is good."""
        stuck = False
        low, high = sorted(bracket, key=lambda p: p.loss)
        while self.rounds < self.most and abs(high.t - low.t) * self.size >= self.tolerance:
            t, stuck = self.inside(cubic_minimum(low, high), low, high, stuck)
            now = self.look(t)
            self.rounds += 1
            if self.too_high(now) or now.loss >= low.loss:
                low, high = (low, now) if low.loss <= now.loss else (now, low)
                continue
            if self.flat(now):
                return now
            if now.slope * (high.t - low.t) >= 0:
                high = low
            low = now
        return low

    @staticmethod
    def inside(t: float, low: Point, high: Point, stuck: bool) -> tuple[float, bool]:
        """`t` moved away from the bracket's ends when it hugs them twice in a row."""
        left, right = min(low.t, high.t), max(low.t, high.t)
        margin = 0.1 * (right - left)
        if min(right - t, t - left) >= margin:
            return t, False
        if not (stuck or t >= right or t <= left):
            return t, True
        return (right - margin if abs(t - right) < abs(t - left) else left + margin), False


class LBFGS(Optimizer):
    """Quasi-Newton steps from the last `history_size` changes of the gradient. `step` needs a closure.

    line_search_fn: None for steps of length lr, or "strong_wolfe". Source: torch.optim.LBFGS.
    Raises: ArgumentError (a ValueError) for more than one parameter group.
    """

    def __init__(
        self,
        params,
        lr: float | Tensor = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        check("learning rate", lr)
        super().__init__(
            params,
            dict(
                lr=lr,
                max_iter=max_iter,
                max_eval=max_iter * 5 // 4 if max_eval is None else max_eval,
                tolerance_grad=tolerance_grad,
                tolerance_change=tolerance_change,
                history_size=history_size,
                line_search_fn=line_search_fn,
            ),
        )
        if len(self.param_groups) != 1:
            raise ArgumentError("LBFGS doesn't support per-parameter options (parameter groups)")
        self._params = self.param_groups[0]["params"]

    # -- the parameters as one vector ------------------------------------------------------------------------------

    def _gradient(self) -> Tensor:
        parts = [p.detach() * 0 if p.grad is None else p.grad for p in self._params]
        return cat([g.detach().reshape(-1) for g in parts])

    def _move(self, t: float, d: Tensor, start: list[Tensor] | None = None) -> None:
        """Add t * d to the parameters (counted from `start` where given)."""
        at = 0
        with no_grad():
            for i, p in enumerate(self._params):
                n = p.numel()
                part = d[at : at + n].reshape(p.shape) * t
                p.copy_((p if start is None else start[i]) + part)
                at += n

    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override]
        """Up to max_iter quasi-Newton iterations; returns the first loss."""
        with enable_grad():
            first = closure()
        with no_grad():
            return self._iterate(first, closure)

    def _iterate(self, first, closure) -> Any:
        group, state = self.param_groups[0], self.state[self._params[0]]
        lr, limit = float(group["lr"]), group["tolerance_change"]
        for name in ("func_evals", "n_iter"):
            state.setdefault(name, 0)
        loss, grad = float(first), self._gradient()
        state["func_evals"] += 1
        evaluations, iterations = 1, 0
        if grad.abs().max().item() <= group["tolerance_grad"]:
            return first
        while iterations < group["max_iter"]:
            iterations += 1
            state["n_iter"] += 1
            d = self._direction(state, grad, group["history_size"])
            state["d"], state["prev_flat_grad"], state["prev_loss"] = d, grad, loss
            t = state["t"] = min(1.0, 1.0 / grad.abs().sum().item()) * lr if state["n_iter"] == 1 else lr
            slope = grad.dot(d).item()
            if slope > -limit:
                break
            last = iterations == group["max_iter"]
            point, used = self._advance(closure, group, Point(t, loss, grad, slope), d, evaluations, last)
            state["t"] = point.t
            change, loss, grad = abs(point.loss - loss), point.loss, point.grad
            evaluations += used
            state["func_evals"] += used
            if last or evaluations >= group["max_eval"] or grad.abs().max().item() <= group["tolerance_grad"]:
                break
            if (d * point.t).abs().max().item() <= limit or change < limit:
                break
        return first

    def _advance(self, closure, group, here: Point, d, evaluations: int, last: bool) -> tuple[Point, int]:
        """Move along d; returns where that led and how often the loss was computed."""
        search = group["line_search_fn"]
        if search is None:
            self._move(here.t, d)
            if last:  # nobody looks at the loss there
                return here, 0
            with enable_grad():
                loss = float(closure())
            return Point(here.t, loss, self._gradient(), 0.0), 1
        if search != "strong_wolfe":
            raise RuntimeError("only 'strong_wolfe' is supported")
        start = [p.detach().clone() for p in self._params]
        wolfe = WolfeSearch(
            lambda t: self._evaluate(closure, start, t, d),
            Point(0.0, here.loss, here.grad, here.slope),
            d.abs().max().item(),
            group["tolerance_change"],
            group["max_eval"] - evaluations,
        )
        found = wolfe.run(here.t)
        self._move(found.t, d, start)
        return found, wolfe.evaluations

    def _evaluate(self, closure, start, t: float, d: Tensor) -> Point:
        self._move(t, d, start)
        with enable_grad():
            loss = float(closure())
        grad = self._gradient()
        return Point(t, loss, grad, grad.dot(d).item())

    def _direction(self, state, grad: Tensor, history: int) -> Tensor:
        """Minus the approximate inverse Hessian times the gradient (two-loop recursion)."""
        if state["n_iter"] == 1:
            state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1)
            return -grad
        y, s = grad - state["prev_flat_grad"], state["d"] * state["t"]
        ys = y.dot(s)
        if ys.item() > 1e-10:
            if len(state["old_dirs"]) == history:
                for name in ("old_dirs", "old_stps", "ro"):
                    state[name].pop(0)
            state["old_dirs"].append(y)
            state["old_stps"].append(s)
            state["ro"].append(1.0 / ys)
            state["H_diag"] = ys / y.dot(y)
        pairs = list(zip(state["old_dirs"], state["old_stps"], state["ro"], strict=True))
        q, shares = -grad, []
        for y, s, ro in reversed(pairs):
            shares.append(s.dot(q) * ro)
            q = q - y * shares[-1]
        r = q * state["H_diag"]
        for (y, s, ro), share in zip(pairs, reversed(shares), strict=True):
            r = r + s * (share - y.dot(r) * ro)
        return r
