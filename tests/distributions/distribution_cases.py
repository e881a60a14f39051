"""Calls that Dovetail and torch answer alike: expressions of D (the distributions) and t (makes a tensor)."""

FAMILIES = {  # name -> (distribution, values of its log_prob)
    "normal": ("D.Normal(t([0.0, 1.5]), t([1.0, 0.4]))", "t([[0.3, -1.0], [2.0, 1.6]])"),
    "bernoulli": ("D.Bernoulli(t([0.2, 0.9]))", "t([[0.0, 1.0], [1.0, 0.0]])"),
    "bernoulli logits": ("D.Bernoulli(logits=t([-1.2, 2.0]))", "t([[0.0, 1.0], [1.0, 0.0]])"),
    "categorical": ("D.Categorical(t([[0.2, 0.5, 0.3], [1.0, 1.0, 2.0]]))", "t([0, 2])"),
    "categorical logits": ("D.Categorical(logits=t([[0.2, -0.5, 0.3]]))", "t([[1], [2]])"),
    "one hot": ("D.OneHotCategorical(t([0.2, 0.5, 0.3]))", "t([0.0, 1.0, 0.0])"),
    "uniform": ("D.Uniform(t([0.0, -1.0]), t([2.0, 1.0]))", "t([0.5, 0.7])"),
    "beta": ("D.Beta(t([0.7, 2.0]), t([1.5, 3.0]))", "t([0.3, 0.6])"),
    "gamma": ("D.Gamma(t([0.5, 3.0]), t([1.0, 2.0]))", "t([0.3, 1.6])"),
    "inverse gamma": ("D.InverseGamma(t([2.5, 3.0]), t([1.0, 2.0]))", "t([0.3, 1.6])"),
    "dirichlet": ("D.Dirichlet(t([0.8, 2.0, 3.0]))", "t([0.2, 0.3, 0.5])"),
    "exponential": ("D.Exponential(t([0.5, 3.0]))", "t([0.3, 1.6])"),
    "laplace": ("D.Laplace(t([0.5, 3.0]), t([1.0, 2.0]))", "t([0.3, 3.6])"),
    "lognormal": ("D.LogNormal(t([0.5, -0.3]), t([1.0, 0.5]))", "t([0.3, 1.6])"),
    "multivariate": (
        "D.MultivariateNormal(t([0.5, -0.3]), t([[2.0, 0.4], [0.4, 1.0]]))", "t([[0.3, 1.6], [1.0, 0.0]])",
    ),
    "multivariate precision": (
        "D.MultivariateNormal(t([0.5, -0.3]), precision_matrix=t([[2.0, 0.4], [0.4, 1.0]]))", "t([0.3, 1.6])",
    ),
    "poisson": ("D.Poisson(t([0.5, 4.0]))", "t([0.0, 3.0])"),
    "binomial": ("D.Binomial(6, t([0.2, 0.7]))", "t([1.0, 5.0])"),
    "negative binomial": ("D.NegativeBinomial(3.0, t([0.2, 0.7]))", "t([1.0, 5.0])"),
    "geometric": ("D.Geometric(t([0.2, 0.7]))", "t([3.0, 0.0])"),
    "cauchy": ("D.Cauchy(t([0.5, 3.0]), t([1.0, 2.0]))", "t([0.3, 3.6])"),
    "half normal": ("D.HalfNormal(t([0.5, 3.0]))", "t([0.3, 1.6])"),
    "half cauchy": ("D.HalfCauchy(t([0.5, 3.0]))", "t([0.3, 1.6])"),
    "student": ("D.StudentT(t([3.0, 5.0]), t([0.0, 1.0]), t([1.0, 2.0]))", "t([0.3, 3.6])"),
    "gumbel": ("D.Gumbel(t([0.5, 3.0]), t([1.0, 2.0]))", "t([0.3, 3.6])"),
    "weibull": ("D.Weibull(t([0.5, 3.0]), t([1.0, 2.0]))", "t([0.3, 3.6])"),
    "multinomial": ("D.Multinomial(5, t([0.2, 0.5, 0.3]))", "t([1.0, 3.0, 1.0])"),
    "chi2": ("D.Chi2(t([2.0, 5.0]))", "t([0.3, 3.6])"),
    "fisher": ("D.FisherSnedecor(t([4.0, 5.0]), t([6.0, 9.0]))", "t([0.3, 3.6])"),
    "pareto": ("D.Pareto(t([0.5, 1.0]), t([3.0, 4.0]))", "t([0.7, 3.6])"),
    "kumaraswamy": ("D.Kumaraswamy(t([0.5, 2.0]), t([3.0, 4.0]))", "t([0.7, 0.2])"),
    "von mises": ("D.VonMises(t([0.5, -1.0]), t([3.0, 0.4]))", "t([0.7, 0.2])"),
    "mixture": (
        "D.MixtureSameFamily(D.Categorical(t([0.3, 0.7])), D.Normal(t([-1.0, 2.0]), t([0.5, 1.0])))", "t([0.7, -0.2])",
    ),
    "independent": ("D.Independent(D.Normal(t([0.0, 1.5]), t([1.0, 0.4])), 1)", "t([[0.3, -1.0], [2.0, 1.6]])"),
    "relaxed bernoulli": ("D.RelaxedBernoulli(t(0.7), t([0.2, 0.7]))", "t([0.3, 0.6])"),
    "relaxed one hot": ("D.RelaxedOneHotCategorical(t(0.7), t([0.2, 0.5, 0.3]))", "t([0.3, 0.6, 0.1])"),
    "logistic normal": ("D.LogisticNormal(t([0.2, 0.5]), t([0.3, 0.7]))", "t([0.3, 0.6, 0.1])"),
    "tanh of normal": ("D.TransformedDistribution(D.Normal(t([0.0]), 1.0), [D.TanhTransform()])", "t([0.4])"),
    "continuous bernoulli": ("D.ContinuousBernoulli(t([0.2, 0.5]))", "t([0.3, 0.7])"),
    "generalised pareto": ("D.GeneralizedPareto(t([0.0, 1.0]), t([1.0, 2.0]), t([0.3, -0.2]))", "t([0.3, 1.7])"),
    "low rank": (
        "D.LowRankMultivariateNormal(t([0.0, 1.0]), t([[1.0], [0.5]]), t([1.0, 2.0]))", "t([[0.3, -0.4], [1.0, 2.0]])",
    ),
    "wishart": (
        "D.Wishart(t(4.5), t([[2.0, 0.5], [0.5, 1.0]]))", "t([[2.0, 0.3], [0.3, 1.0]])",
    ),
    "turned exponential": (
        "D.TransformedDistribution(D.Exponential(t([2.0])), [D.AffineTransform(1.0, -2.0)])", "t([0.4])",
    ),
}  # fmt: skip
KL = [
    ("D.Normal(t([0.1]), t([1.2]))", "D.Normal(t([0.5]), t([0.7]))"),
    ("D.Bernoulli(t([0.1]))", "D.Bernoulli(t([0.6]))"),
    ("D.Categorical(t([0.1, 0.9]))", "D.Categorical(t([0.6, 0.4]))"),
    ("D.Uniform(t([0.1]), t([0.9]))", "D.Uniform(t([0.0]), t([2.0]))"),
    ("D.Uniform(t([0.1]), t([0.9]))", "D.Normal(t([0.0]), t([2.0]))"),
    ("D.Beta(t([0.6]), t([0.9]))", "D.Beta(t([2.0]), t([1.4]))"),
    ("D.Gamma(t([0.6]), t([0.9]))", "D.Gamma(t([2.0]), t([1.4]))"),
    ("D.Gamma(t([0.6]), t([0.9]))", "D.Exponential(t([2.0]))"),
    ("D.Exponential(t([2.0]))", "D.Gamma(t([0.6]), t([0.9]))"),
    ("D.Exponential(t([2.0]))", "D.Exponential(t([0.6]))"),
    ("D.Dirichlet(t([0.6, 0.9, 2.0]))", "D.Dirichlet(t([2.0, 1.4, 1.0]))"),
    ("D.Laplace(t([0.6]), t([0.9]))", "D.Laplace(t([2.0]), t([1.4]))"),
    ("D.Laplace(t([0.6]), t([0.9]))", "D.Normal(t([2.0]), t([1.4]))"),
    ("D.LogNormal(t([0.6]), t([0.9]))", "D.LogNormal(t([2.0]), t([1.4]))"),
    ("D.Poisson(t([0.6]))", "D.Poisson(t([2.0]))"),
    ("D.Geometric(t([0.6]))", "D.Geometric(t([0.2]))"),
    ("D.Binomial(4, t([0.6]))", "D.Binomial(4, t([0.2]))"),
    ("D.HalfNormal(t([0.6]))", "D.HalfNormal(t([0.2]))"),
    ("D.Cauchy(t([0.6]), t([0.9]))", "D.Cauchy(t([2.0]), t([1.4]))"),
    ("D.Gumbel(t([0.6]), t([0.9]))", "D.Gumbel(t([2.0]), t([1.4]))"),
    ("D.Pareto(t([0.9]), t([0.9]))", "D.Pareto(t([0.8]), t([1.4]))"),
    (
        "D.MultivariateNormal(t([0.5, -0.3]), t([[2.0, 0.4], [0.4, 1.0]]))",
        "D.MultivariateNormal(t([0.1, 0.3]), t([[1.0, -0.2], [-0.2, 3.0]]))",
    ),
]
LINE = {  # families whose divergences from each other have formulas, or are infinite
    "D.Beta(t([1.5]), t([2.0]))", "D.Exponential(t([1.5]))", "D.Gamma(t([1.5]), t([2.0]))",
    "D.Gumbel(t([0.5]), t([1.3]))", "D.Laplace(t([0.5]), t([1.3]))", "D.Normal(t([0.5]), t([1.3]))",
    "D.Pareto(t([1.0]), t([3.0]))", "D.Uniform(t([0.1]), t([0.8]))", "D.ContinuousBernoulli(t([0.3]))",
}  # fmt: skip
LOW_RANK = "D.LowRankMultivariateNormal(t([0.0, 1.0]), t([[1.0], [0.5]]), t([1.0, 2.0]))"
KL += [(p, q) for p in sorted(LINE) for q in sorted(LINE)] + [
    (LOW_RANK, LOW_RANK), (LOW_RANK, KL[-1][0]), (KL[-1][0], LOW_RANK),
    ("D.Bernoulli(t([0.3]))", "D.Poisson(t([1.2]))"), ("D.Poisson(t([1.2]))", "D.Bernoulli(t([0.3]))"),
    ("D.InverseGamma(t([1.5]), t([2.0]))", "D.InverseGamma(t([2.5]), t([1.0]))"),
    ("D.Wishart(t(4.5), t([[2.0, 0.5], [0.5, 1.0]]))", "D.Wishart(t(3.5), t([[1.0, 0.2], [0.2, 1.0]]))"),
]  # fmt: skip
CORRELATED = "t([[1.0, 0.0, 0.0], [0.6, 0.8, 0.0], [0.0, 0.6, 0.8]])"
VALUES = {  # further calls, by what they are about
    "lkj": f"D.LKJCholesky(3, t([0.7, 1.5])).log_prob({CORRELATED})",
    "corr cholesky": "D.CorrCholeskyTransform()(t([0.3, 0.1, -0.2]))",
    "corr cholesky, back": f"D.CorrCholeskyTransform().inv({CORRELATED})",
    "corr cholesky, slope": "(lambda f, x: f.log_abs_det_jacobian(x, f(x)))("
    "D.CorrCholeskyTransform(), t([0.3, 0.1, -0.2]))",
    "positive definite": "D.PositiveDefiniteTransform()(t([[0.3, 1.0], [0.2, 0.4]]))",
    "positive definite, back": "D.PositiveDefiniteTransform().inv(t([[2.0, 0.5], [0.5, 1.0]]))",
    "cat": "D.CatTransform([D.ExpTransform(), D.identity_transform], 0, [1, 2])(t([0.3, 0.5, 0.7]))",
    "cat, slope": "(lambda f, x: f.log_abs_det_jacobian(x, f(x)))("
    "D.CatTransform([D.ExpTransform(), D.identity_transform], 0, [1, 2]), t([0.3, 0.5, 0.7]))",
    "stack": "D.StackTransform([D.ExpTransform(), D.identity_transform])(t([[0.3, 0.5], [0.7, 0.2]]))",
    "to positive": "D.biject_to(D.constraints.positive)(t([0.3]))",
    "to simplex": "D.transform_to(D.constraints.simplex)(t([0.3, 1.0]))",
    "to interval": "D.transform_to(D.constraints.interval(1.0, 3.0))(t([0.3, 1.0]))",
    "is correlated": f"D.constraints.corr_cholesky.check({CORRELATED}) * 1.0",
}  # fmt: skip
PROPERTIES = ("mean", "variance", "stddev", "mode")


def answers(D, t):
    """All answers of one library, as {name: tensor}; what it does not have is left out."""
    found = {}
    for name, (made, value) in FAMILIES.items():
        p = eval(made, {"D": D, "t": t})
        x = eval(value, {"t": t})
        asked = {word: (lambda word=word, p=p: getattr(p, word)) for word in PROPERTIES}
        asked |= {"log_prob": lambda p=p, x=x: p.log_prob(x), "entropy": p.entropy}
        asked |= {"cdf": lambda p=p, x=x: p.cdf(x), "icdf": lambda p=p: p.icdf(t([0.3]))}
        for word, ask in asked.items():
            try:
                found[f"{name}: {word}"] = ask()
            except (NotImplementedError, AttributeError):
                continue
    for left, right in KL:
        p, q = eval(left, {"D": D, "t": t}), eval(right, {"D": D, "t": t})
        try:
            found[f"kl: {left} {right}"] = D.kl_divergence(p, q)
        except NotImplementedError:
            continue
    for name, expression in VALUES.items():
        found[f"value: {name}"] = eval(expression, {"D": D, "t": t})
    return found
