"""Small programs in torch's words. `make_reference.py` runs them with PyTorch, the tests run them with Dovetail.

Each takes the framework and `look`, a function that a program calls in the middle of a step; it may look at a value.
"""

# ruff: noqa: E702


def make_cube(torch):
    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, power=3):
            ctx.save_for_backward(x)
            ctx.power = power
            return x**power

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * ctx.power * x ** (ctx.power - 1), None

    return Cube


def start(torch):
    return torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64, requires_grad=True)


def custom_function(torch, look):
    cube, w = make_cube(torch), start(torch)
    a = w * 2
    y = cube.apply(a)
    look(y)
    z = cube.apply(y.sin(), 2)
    loss = (z * w + y).sum()
    look(loss)
    loss.backward()
    return [w.grad, y, a.requires_grad, type(y.grad_fn).__name__, y.grad_fn.name()]


def several_outputs(torch, look):
    class Split(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            ctx.save_for_backward(x, y)
            ctx.set_materialize_grads(False)
            return x * y, x + y, (x > 0)

        @staticmethod
        def backward(ctx, g_product, g_sum, g_positive):
            x, y = ctx.saved_tensors
            gx = gy = None
            if g_product is not None:
                gx, gy = g_product * y, g_product * x
            if g_sum is not None:
                gx = g_sum if gx is None else gx + g_sum
                gy = g_sum if gy is None else gy + g_sum
            return gx, gy

    x, y = start(torch), start(torch)
    product, total, positive = Split.apply(x, y)
    look(product)
    product.sum().backward(retain_graph=True)
    first = x.grad.clone()
    (product * total).sum().backward()
    return [first, x.grad, y.grad, positive, positive.requires_grad]


def setup_context(torch, look):
    class Scale(torch.autograd.Function):
        @staticmethod
        def forward(x, factor):
            return x * factor, x.detach() * 0 + 7

        @staticmethod
        def setup_context(ctx, inputs, output):
            x, factor = inputs
            ctx.factor = factor
            ctx.mark_non_differentiable(output[1])
            ctx.needs = ctx.needs_input_grad

        @staticmethod
        def backward(ctx, g, g_unused):
            assert ctx.needs == (True, False)
            return g * ctx.factor, None

    x = start(torch)
    y, fixed = Scale.apply(x, 4.0)
    look(y)
    (y * fixed).sum().backward()
    return [x.grad, fixed.requires_grad, y.requires_grad]


def second_order(torch, look):
    cube, x = make_cube(torch), start(torch)
    y = cube.apply(x.exp())
    (g,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    look(g)
    (h,) = torch.autograd.grad((g * g).sum(), x, create_graph=True)
    h.sum().backward()
    return [g, h, x.grad]


def saved_output(torch, look):
    class Exp(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            y = x.exp()
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx, g):
            (y,) = ctx.saved_tensors
            return g * y

    x = start(torch)
    y = Exp.apply(x)
    look(y)
    (g,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    (h,) = torch.autograd.grad(g.sum(), x)
    return [g, h]


def nested_function(torch, look):
    cube = make_cube(torch)

    class Outer(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            with torch.enable_grad():
                inner = x.detach().requires_grad_()
                ctx.out = cube.apply(inner).sum()
                ctx.inner = inner
            return ctx.out.detach()

        @staticmethod
        def backward(ctx, g):
            (gx,) = torch.autograd.grad(ctx.out, ctx.inner)
            return g * gx

    x = start(torch)
    y = Outer.apply(x * 3)
    look(y)
    (y * 2).backward()
    return [y, x.grad]


def look_in_backward(torch, look):
    seen = []

    class Clip(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            seen.append(g.abs().max().item())
            return g * 0.5 if seen[-1] > 1 else g

    x = start(torch)
    (Clip.apply(x) * 3).sum().backward()
    first = x.grad.clone()
    x.grad = None
    (Clip.apply(x * 0.1)).sum().backward()
    return [first, x.grad, seen]


def hooks(torch, look):
    x, order = start(torch), []
    a = x * 2
    a.register_hook(lambda g: order.append("a1"))
    a.register_hook(lambda g: g * 10)
    b = a.sin()
    handle = b.register_hook(lambda g: g * 0)
    handle.remove()
    look(b)
    c = (a * b).sum()
    a.register_hook(lambda g: order.append("a3") or g + 1)
    x.register_hook(lambda g: g * 2)
    c.backward()
    return [x.grad, order]


def late_hook(torch, look):
    x = start(torch)
    a = x * 2
    b = a.exp()
    c = (b + a).sum()
    look(c)
    a.register_hook(lambda g: g * 0.1)
    b.register_hook(lambda g: g + 5)
    c.backward()
    return [x.grad]


def retained(torch, look):
    x = start(torch)
    a = x * 2
    a.retain_grad()
    b = (a**2).sum()
    b.retain_grad()
    look(a)
    (b * 3).backward()
    return [x.grad, a.grad, b.grad, a.retains_grad, x.retains_grad]


def after_accumulation(torch, look):
    x = start(torch)
    seen = []

    def step(p):
        seen.append(p.grad.clone())
        with torch.no_grad():
            p -= 0.1 * p.grad
        p.grad = None

    x.register_post_accumulate_grad_hook(step)
    for _ in range(3):
        loss = (x**2).sum()
        look(loss)
        loss.backward()
    return [x, seen]


def module_hooks(torch, look):
    nn = torch.nn
    net = nn.Sequential(nn.Linear(3, 2), nn.Tanh(), nn.Linear(2, 1)).double()
    with torch.no_grad():
        for i, p in enumerate(net.parameters()):
            p.copy_(torch.linspace(-1, 1, p.numel(), dtype=torch.float64).reshape(p.shape) * (i + 1))
    seen = []

    def full(module, grad_in, grad_out):
        seen.append([grad_in[0], grad_out[0]])
        return (grad_in[0] * 2,)

    def before(module, grad_out):
        seen.append([grad_out[0]])
        return (grad_out[0] * 3,)

    net[1].register_full_backward_hook(full)
    net[2].register_full_backward_pre_hook(before)
    x = start(torch)
    for _ in range(2):
        out = net(torch.stack([x, x * 2]))
        look(out)
        (out**2).sum().backward()
    return [x.grad, seen, [p.grad for p in net.parameters()]]


def module_hooks_of_several(torch, look):
    class Two(torch.nn.Module):
        def forward(self, a, k, b):
            return a * b * k, a + b

    def full(module, grad_in, grad_out):
        seen.append([list(grad_in), list(grad_out)])
        return grad_in[0] * 2, None, grad_in[2] * 3

    def before(module, grad_out):
        return tuple(None if g is None else g * 10 for g in grad_out)

    seen, found = [], []
    two = Two()
    two.register_full_backward_hook(full)
    two.register_full_backward_pre_hook(before)
    for use in (0, 1, 2):
        a, b = start(torch), start(torch) + 1
        b.retain_grad()
        outs = two(a, 2, b)
        look(outs[0])
        (outs[use] if use < 2 else outs[0] + outs[1] * 2).sum().backward()
        found.append([a.grad, b.grad])
    two(a.detach(), 1, a)[0].sum().backward()
    return [found, seen, a.grad]


def inner_gradients(torch, look):
    x = start(torch)
    a = x * 2
    b = a.exp()
    c = (a * b).sum()
    look(c)
    ga, gb, gx = torch.autograd.grad(c, [a, b, x], retain_graph=True)
    (again,) = torch.autograd.grad(c, a)
    unused = torch.autograd.grad((x * 1).sum(), [x, a], allow_unused=True)
    return [ga, gb, gx, again, unused[0], unused[1]]


def into_inputs(torch, look):
    x, w = start(torch), start(torch)
    a = x * w
    a.retain_grad()
    loss = (a**2).sum()
    look(loss)
    loss.backward(inputs=[w])
    return [w.grad, x.grad]


def accumulation(torch, look):
    cube, x = make_cube(torch), start(torch)
    for i in range(3):
        loss = cube.apply(x * (i + 1)).sum()
        look(loss)
        loss.backward()
    return [x.grad]


def training(torch, look):
    cube = make_cube(torch)
    w = torch.tensor([[0.5], [-0.3]], dtype=torch.float64, requires_grad=True)
    w.register_hook(lambda g: g.clamp(-1, 1))
    x = torch.linspace(-1, 1, 10, dtype=torch.float64).reshape(5, 2)
    t = x.sum(1, keepdim=True)
    optimizer = torch.optim.Adam([w], lr=0.1)
    losses = []
    for _ in range(8):
        optimizer.zero_grad()
        loss = ((cube.apply(x @ w) - t) ** 2).mean()
        look(loss)
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return [w, losses]


def checkpointed(torch, look):
    import importlib

    checkpoint = importlib.import_module(torch.__name__ + ".utils.checkpoint")
    w, x = start(torch), start(torch)

    def block(x):
        return (x * w).sin() * w

    for reentrant in (False, True):
        y = checkpoint.checkpoint(block, x * 2, use_reentrant=reentrant)
        look(y)
        (y**2).sum().backward()
    chain = torch.nn.Sequential(torch.nn.Tanh(), torch.nn.Sigmoid(), torch.nn.Tanh())
    checkpoint.checkpoint_sequential(chain, 2, x, use_reentrant=False).sum().backward()
    return [x.grad, w.grad]


def functional(torch, look):
    f = torch.autograd.functional
    x, y = start(torch).detach(), start(torch).detach() + 1
    value = lambda x, y: (x**2 * y.exp()).sum()  # noqa: E731
    look(x)
    return [
        f.jacobian(lambda x: x.sin() * x.sum(), x), f.jacobian(lambda x, y: (x * y, x.sum()), (x, y)),
        f.hessian(value, (x, y)), f.vjp(lambda x: x**3, x, y), f.jvp(lambda x: x**3, x, y),
        f.hvp(value, (x, y), (y, x)), f.vhp(value, (x, y), (y, x)),
    ]  # fmt: skip


def functional_connected(torch, look):
    x = start(torch)
    j = torch.autograd.functional.jacobian(lambda x: x**3, x, create_graph=True)
    look(j)
    j.sum().backward()
    return [j, x.grad]


def transforms(torch, look):
    f = torch.func
    x, y = start(torch).detach(), start(torch).detach() + 1
    value = lambda x, y: (x**2 * y.exp()).sum()  # noqa: E731
    look(x)
    out, back = f.vjp(lambda x, y: x * y, x, y)
    return [
        f.grad(value)(x, y), f.grad(value, argnums=(0, 1))(x, y), f.grad_and_value(value, argnums=1)(x, y),
        f.grad(lambda p, x: ((p["a"] * x).sum() * p["b"].sum(), x), has_aux=True)({"a": x, "b": y}, y),
        f.hessian(value)(x, y), f.hessian(value, argnums=(0, 1))(x, y), f.jacrev(lambda x: x.sin() * x.sum())(x),
        f.jacfwd(lambda x: x.sin() * x.sum())(x), f.jvp(lambda x: x.tanh(), (x,), (y,)), out, back(x),
        f.grad(f.grad(f.grad(lambda x: x**5)))(x[2]),
        f.jacrev(lambda x: f.grad(lambda y: (x * y * y).sum())(y))(x),
    ]  # fmt: skip


def batched(torch, look):
    f = torch.func
    x = torch.linspace(-1, 1, 12, dtype=torch.float64).reshape(4, 3)
    w = start(torch).detach()
    look(x)
    loss = lambda w, x: (w * x).sum().tanh()  # noqa: E731
    return [
        f.vmap(f.grad(loss), in_dims=(None, 0))(w, x), f.vmap(lambda a: a * 2, in_dims=1, out_dims=1)(x),
        f.vmap(lambda a, b: (a @ b, a.sum()), in_dims=(0, None))(x, w), f.vmap(f.vmap(lambda a: a**2))(x),
        f.vmap(lambda d: d["a"] + d["b"], in_dims=({"a": 0, "b": None},))({"a": x, "b": w}),
        f.vmap(lambda a, k: a * k, in_dims=(0, None))(x, 3),
    ]  # fmt: skip


def ensemble(torch, look):
    f, nn = torch.func, torch.nn
    models = [nn.Linear(3, 2).double() for _ in range(3)]
    with torch.no_grad():
        for i, m in enumerate(models):
            m.weight.fill_(0.1 * i); m.bias.fill_(float(i))
    params, buffers = f.stack_module_state(models)
    x = torch.linspace(-1, 1, 6, dtype=torch.float64).reshape(2, 3)
    call = lambda p, b, x: f.functional_call(models[0], (p, b), (x,))  # noqa: E731
    out = f.vmap(call, in_dims=(0, 0, None))(params, buffers, x)
    look(out)
    out.sum().backward()
    return [out, params["weight"].grad, params["bias"].grad]


def closed_over(torch, look):
    w, x = start(torch), start(torch).detach()
    g = torch.func.grad(lambda x: (x**2 * w).sum())(x)
    look(g)
    (g**2).sum().backward()
    with torch.no_grad():
        plain = torch.func.grad(lambda x: (x**2 * w).sum())(x)
    return [g, w.grad, plain.requires_grad]


def two_losses(torch, look):
    """Two results of one run, gone back through one after the other, in changing order."""
    found = []
    for i in range(4):
        x = start(torch)
        a, b = (x**2).sum(), (x**3).sum()
        look(a)
        first, second = (a, b) if i % 2 else (b, a)
        first.backward()
        found.append(x.grad.clone())
        second.backward()
        found.append(x.grad.clone())
    return found


def batched_widely(torch, look):
    """vmap over indices, windows, convolutions, linear algebra, sorting, dims anywhere, in chunks and nested."""
    f, F = torch.func, torch.nn.functional
    x = torch.linspace(-1, 1, 36, dtype=torch.float64).sin().mul(7).cos().reshape(3, 3, 4)
    i = torch.tensor([[0, 2], [3, 1], [1, 1]])
    k = torch.linspace(0, 1, 18, dtype=torch.float64).reshape(3, 2, 3, 1)
    look(x)
    return [
        f.vmap(lambda a, j: a[:, j])(x, i), f.vmap(lambda a, j: a.index_select(1, j))(x, i),
        f.vmap(lambda j: x[0].index_select(1, j))(i), f.vmap(lambda a: a[0].index_select(0, i[0]))(x),
        f.vmap(lambda a, j: torch.zeros(4, dtype=torch.float64).index_add(0, j, a[0, :2]))(x, i),
        f.vmap(lambda a, j: torch.zeros(3, 4, dtype=torch.float64).scatter_add(1, j[:, None].expand(2, 2), a))(
            x[:, :2], i
        ),
        f.vmap(lambda a, w: F.conv1d(a, w), in_dims=(None, 0))(x[:2], k), f.vmap(F.conv1d)(x, k),
        f.vmap(lambda a: F.conv1d(a, k[0]))(x),
        f.vmap(f.grad(lambda w, a: F.conv1d(a, w).sin().sum()), in_dims=(0, None))(k, x),
        f.vmap(f.grad(lambda a, w: F.conv1d(a, w).sin().sum()))(x, k), f.vmap(lambda a: F.max_pool1d(a, 2))(x),
        f.vmap(f.grad(lambda a: F.max_pool1d(a, 2).sin().sum()))(x), f.vmap(lambda a: F.avg_pool1d(a, 3, 1, 1))(x),
        f.vmap(lambda a: torch.linalg.inv(a[:, :3] + 3 * torch.eye(3, dtype=torch.float64)))(x),
        f.vmap(lambda a: torch.linalg.svdvals(a))(x), f.vmap(lambda a: a.sort(0).values, in_dims=2, out_dims=1)(x),
        f.vmap(lambda a: a.cumsum(0).argmax(1))(x), f.vmap(lambda a: a.softmax(0).logsumexp(1), in_dims=-1)(x),
        f.vmap(lambda a, b: torch.einsum("ij,kj->ik", a, b), in_dims=(0, 1))(x, x.permute(1, 0, 2)),
        f.vmap(f.vmap(lambda a, b: (a * b).sum(), in_dims=(None, 0)), in_dims=(0, None))(x[0], x[1]),
        f.vmap(lambda a: F.layer_norm(a, (4,)), chunk_size=2)(x), f.vmap(lambda a: (a, x[0]), out_dims=(1, None))(x),
        f.vmap(lambda a: a.mul(2).add_(1).clamp_(max=2))(x), f.vmap(lambda a: torch.cat([a, x[1]], 1).T)(x),
        f.vmap(f.vjp(lambda a: a.sin(), x[0])[1])(x), f.vmap(f.hessian(lambda a: (a.sin() * a).sum()))(x[0]),
        f.vmap(lambda a, v: f.jvp(lambda a: a.exp(), (a,), (v,)))(x[0], x[1]), f.vmap(lambda a: a * 2)(x[:0]),
        f.vmap(lambda a: torch.fft.fft(a).real)(x), f.vmap(lambda a: torch.where(a > 0, a, 0.0).std())(x),
    ]  # fmt: skip


def many_cotangents(torch, look):
    f, a = torch.func, torch.autograd
    w = torch.linspace(-1, 1, 6, dtype=torch.float64).reshape(3, 2).requires_grad_()
    x = start(torch)
    y = torch.tanh(x @ w)
    look(y)
    rows = a.grad(y, [x, w], torch.eye(2, dtype=torch.float64), is_grads_batched=True, retain_graph=True)
    cube = make_cube(torch)
    in_stages = a.grad(cube.apply(x @ w), x, torch.eye(2, dtype=torch.float64), is_grads_batched=True)
    loss = lambda x, w: torch.tanh(x @ w)  # noqa: E731
    d = x.detach()
    return [
        rows, in_stages, f.jacrev(loss, (0, 1))(d, w.detach()), f.jacfwd(loss, 1)(d, w.detach()),
        f.jacrev(loss, chunk_size=1)(d, w.detach()), f.hessian(lambda x: loss(x, w.detach()).sum())(d),
        f.jacrev(f.jacrev(lambda x: (x**3).sum()))(d), f.jacfwd(f.jacfwd(lambda x: (x**3).sum()))(d),
        a.functional.jacobian(loss, (d, w.detach())), a.functional.hessian(lambda x: (x**4).sum(), d),
        a.functional.jacobian(loss, (d, w.detach()), vectorize=True),
        a.functional.jacobian(lambda x: x.sin(), d, vectorize=True, strategy="forward-mode"),
    ]  # fmt: skip


def choices(torch, look):
    w, x = start(torch), start(torch)
    found = []
    for limit in (0.0, 5.0):
        h = x * 2
        y = torch.cond(h.sum() > limit, lambda h: h.sin() * w, lambda h: h.cos() + 0 * w, (h,))
        look(y)
        y.sum().backward()
        found += [y, x.grad.clone(), w.grad.clone()]
        x.grad = w.grad = None
    return found


def loops(torch, look):
    hops = torch._higher_order_ops
    w, x = start(torch), start(torch)
    xs = torch.linspace(-1, 1, 12, dtype=torch.float64).reshape(4, 3)
    found = []
    for reverse in (False, True):
        last, ys = hops.scan(lambda h, x: (torch.tanh(h * w + x), (h * x)), x, xs, reverse=reverse)
        look(ys)
        (last.sum() + (ys**2).sum()).backward()
        found += [last, ys, x.grad.clone(), w.grad.clone()]
        x.grad = w.grad = None
    total = hops.associative_scan(lambda a, b: a * b + a, xs, 0, combine_mode="generic")
    with torch.no_grad():
        turns = hops.while_loop(
            lambda n, y: y.abs().sum() < 100, lambda n, y: (n + 1, y * 1.5), (torch.tensor(0), x * 1.0)
        )
    return [found, total, turns]


PROGRAMS = [
    custom_function, several_outputs, setup_context, second_order, saved_output, nested_function, look_in_backward,
    hooks, late_hook, retained, after_accumulation, module_hooks,
    module_hooks_of_several, inner_gradients, into_inputs, accumulation, training,
    checkpointed, functional, functional_connected, transforms, batched, ensemble, closed_over, two_losses,
    batched_widely, many_cotangents, choices, loops,
]  # fmt: skip


def plain(x):
    """Results as JSON can hold them."""
    if isinstance(x, (list, tuple)):
        return [plain(p) for p in x]
    if isinstance(x, dict):
        return {k: plain(v) for k, v in x.items()}
    return x.detach().tolist() if hasattr(x, "detach") else x
