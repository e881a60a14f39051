"""torch's modules. The torch dialect is the house language, so most of them are answered by a door of the same name."""

from __future__ import annotations

from dovetail.compat.names import Names

RELEASE = "2.13.0"  # the release whose behaviour is followed; scripts that compare versions see this
VERSION = RELEASE + "+dovetail"
OURS = frozenset(  # at our top level, not at torch's
    "config data datasets io keras tf vision ArgumentError DTypeError DeviceError DimError DovetailError "
    "DovetailWarning FileError GradientError MissingExtra NotCovered NotCoveredImport ShapeError".split()
)

PRIVATE = {  # file of torch.nn.modules -> names with an underscore that programs import from it, and where ours are
    "loss": {"_Loss": "dovetail.nn.losses", "_WeightedLoss": "dovetail.nn.losses"},
    "batchnorm": {"_BatchNorm": "dovetail.nn.layers.norm"},
    "instancenorm": {"_InstanceNorm": "dovetail.nn.layers.norm"},
    "utils": dict.fromkeys(("_ntuple", "_pair", "_quadruple", "_single", "_triple"), "dovetail.nn.tuples"),
}
FILES_OF_MODULES = (
    "activation adaptive batchnorm channelshuffle container conv distance dropout embedding flatten fold instancenorm "
    "lazy linear loss module normalization padding pixelshuffle pooling rnn sparse transformer upsampling utils"
)

TABLE = {
    "torch": Names("dovetail", {"__version__": VERSION}, OURS),
    "torch.version": Names(
        None, {"__version__": VERSION, "cuda": None, "hip": None, "debug": False, "git_version": "dovetail"}
    ),
    "torch.nn": Names("dovetail.nn", hidden=frozenset({"layers"})),
    "torch.nn.functional": Names("dovetail.nn.functional"),
    "torch.optim": Names("dovetail.optim"),
    "torch.utils": Names("dovetail.utils"),
    "torch.hub": Names("dovetail.io.hub"),
    "torch.utils.model_zoo": Names("dovetail.io.hub"),
    "torch.utils.data": Names("dovetail.utils.data"),
    "torch.utils.tensorboard": Names("dovetail.utils.tensorboard"),
    "torch.utils.tensorboard.writer": Names("dovetail.utils.tensorboard"),
    "torch.autograd": Names("dovetail.autograd"),
    "torch.serialization": Names(
        "dovetail.io", hidden=frozenset("load_file load_npz safe_open safetensors save_file save_npz".split())
    ),
    "torch.cuda": Names("dovetail.cuda"),
    "torch.distributions": Names("dovetail.distributions"),
    "torch.nn.modules": Names("dovetail.nn", hidden=frozenset({"layers"})),
    **{
        f"torch.nn.modules.{file}": Names("dovetail.nn", private=PRIVATE.get(file, {}))
        for file in FILES_OF_MODULES.split()
    },
    **{
        f"torch.utils.data.{file}": Names("dovetail.utils.data")
        for file in ("dataset", "sampler", "dataloader", "distributed")
    },
    **{
        f"torch.optim.{file}": Names("dovetail.optim")
        for file in (
            "adadelta adafactor adagrad adam adamax adamw asgd lbfgs nadam radam rmsprop rprop sgd sparse_adam"
        ).split()
    },
    "torch.cuda.amp.autocast_mode": Names("dovetail.cuda.amp"),
    "torch.cuda.amp.grad_scaler": Names("dovetail.cuda.amp"),
    **{
        f"torch.distributions.{file}": Names("dovetail.distributions")
        for file in (
            "bernoulli beta binomial categorical cauchy chi2 dirichlet distribution exp_family exponential "
            "fishersnedecor gamma geometric gumbel half_cauchy half_normal independent inverse_gamma kl kumaraswamy "
            "laplace log_normal logistic_normal mixture_same_family multinomial multivariate_normal negative_binomial "
            "normal one_hot_categorical pareto poisson relaxed_bernoulli relaxed_categorical studentT "
            "transformed_distribution uniform von_mises weibull"
        ).split()
    },
}  # modules among a door's public names (torch.nn.init, torch.nn.utils.rnn, torch.linalg) need no row
