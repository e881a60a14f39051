"""torch's modules. The torch dialect is the house language, so most of them are answered by a door of the same name."""

from __future__ import annotations

from dovetail.compat.names import Names

RELEASE = "2.13.0"  # the release whose behaviour is followed; scripts that compare versions see this
VERSION = RELEASE + "+dovetail"
OURS = frozenset(  # at our top level, not at torch's
    "config data datasets io keras tf vision ArgumentError DTypeError DeviceError DimError DovetailError "
    "DovetailWarning FileError GradientError MissingExtra NotCovered NotCoveredImport ShapeError".split()
)

GLOBAL_HOOKS = (
    "register_module_buffer_registration_hook register_module_forward_hook register_module_forward_pre_hook "
    "register_module_full_backward_hook register_module_full_backward_pre_hook "
    "register_module_module_registration_hook register_module_parameter_registration_hook"
)
PRIVATE = {  # file of torch.nn.modules -> names with an underscore that programs import from it, and where ours are
    "loss": {"_Loss": "dovetail.nn.losses", "_WeightedLoss": "dovetail.nn.losses"},
    "batchnorm": {
        "_BatchNorm": "dovetail.nn.layers.norm",
        "_NormBase": "dovetail.nn.layers.norm:_Statistics",
    },
    "conv": {
        "_ConvNd": "dovetail.nn.layers.conv:_Conv",
        "_ConvTransposeNd": "dovetail.nn.layers.conv:_Transposed",
    },
    "dropout": {"_DropoutNd": "dovetail.nn.layers.dropout:_Dropout"},
    "lazy": {"LazyModuleMixin": "dovetail.nn.layers.lazy"},
    "module": {
        "_IncompatibleKeys": "dovetail.nn.state:IncompatibleKeys",
        **dict.fromkeys(GLOBAL_HOOKS.split(), "dovetail.nn.module"),
    },
    "transformer": {"_get_clones": "dovetail.nn.layers.attention:clones"},
    "pooling": {
        "_AvgPoolNd": "dovetail.nn.layers.pooling:_AvgPool",
        "_MaxPoolNd": "dovetail.nn.layers.pooling:_MaxPool",
    },
    "instancenorm": {"_InstanceNorm": "dovetail.nn.layers.norm"},
    "utils": dict.fromkeys(("_ntuple", "_pair", "_quadruple", "_single", "_triple"), "dovetail.nn.tuples"),
}
FILES_OF_MODULES = (
    "activation adaptive batchnorm channelshuffle container conv distance dropout embedding flatten fold instancenorm "
    "lazy linear loss module normalization padding pixelshuffle pooling rnn sparse transformer upsampling utils"
)

FUNCTIONAL = (
    "atleast_1d atleast_2d atleast_3d block_diag broadcast_shapes broadcast_tensors cartesian_prod cdist chain_matmul "
    "einsum istft lu meshgrid norm pca_lowrank split stft svd_lowrank tensordot unique unique_consecutive unravel_index"
)
CONDITIONS = "_check _check_index _check_is_size _check_not_implemented _check_type _check_value"
TYPES = "_bool _complex _device _dtype _float _int _layout _size _symint _TensorOrTensors"
COMMON = (
    "_ratio_2_t _ratio_3_t _ratio_any_t _size_1_t _size_2_opt_t _size_2_t _size_3_opt_t _size_3_t _size_4_t _size_5_t "
    "_size_6_t _size_any_opt_t _size_any_t _tensor_list_t"
)
CURES = {  # what to use in place of a module that is not covered, and of all inside it
    "torch.export": "Programs are compiled as they run; torch.save keeps a model, torch.jit.trace gives a callable.",
    "torch.onnx": "torch.save and safetensors keep weights that PyTorch reads; PyTorch itself writes ONNX from those.",
    "torch.fx": "dovetail.last_graph() shows the graph that ran last; forward hooks give inner results.",
    "torch.nested": "Sequences of different lengths: nn.utils.rnn.pad_sequence, or pack_padded_sequence for an RNN.",
    "torch.ao": "Short floats are covered: torch.autocast, model.bfloat16().",
    "torch.quantization": "Short floats are covered: torch.autocast, model.bfloat16().",
    "torch.distributed": "A world of one process is covered: init_process_group, all_reduce, DistributedDataParallel.",
    "torch.package": "torch.save keeps a model; its class has to be importable where it is loaded.",
    "torch.utils.cpp_extension": "An operation of your own: torch.autograd.Function, or torch.library.custom_op.",
    "torch.utils.mobile_optimizer": "torch.save keeps a model.",
    "torch.utils.flop_counter": "dovetail.explain() shows what was computed.",
    "torch.mtia": "torch.accelerator and torch.cuda say truthfully what is there: the CPU.",
    "torch.futures": "torch.jit.fork and wait are covered; concurrent.futures runs Python beside.",
    "torch.overrides": "Functions of your own on tensors: plain Python functions, or torch.autograd.Function.",
}

TABLE = {
    "torch": Names(
        "dovetail",
        {"__version__": VERSION},
        OURS,
        {
            **dict.fromkeys(CONDITIONS.split(), "dovetail.base.conditions"),
            "ops": "dovetail.nn.transform.custom",
        },
    ),
    "torch.version": Names(
        None,
        {
            "__version__": VERSION,
            "cuda": None,
            "hip": None,
            "rocm": None,
            "xpu": None,
            "debug": False,
            "git_version": "dovetail",
        },
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
    "torch.functional": Names(None, private=dict.fromkeys(FUNCTIONAL.split(), "dovetail")),
    "torch.nn.init": Names(
        "dovetail.nn.init",
        private=dict.fromkeys(("_calculate_correct_fan", "_calculate_fan_in_and_fan_out"), "dovetail.nn.init"),
    ),
    "torch.optim.lr_scheduler": Names(
        "dovetail.optim.lr_scheduler", private={"_LRScheduler": "dovetail.optim.lr_scheduler:LRScheduler"}
    ),
    "torch.storage": Names(None, private=dict.fromkeys(("TypedStorage", "UntypedStorage"), "dovetail.tensor.storage")),
    "torch.utils.data._utils": Names(None),
    "torch.utils.data._utils.collate": Names(
        "dovetail.utils.data", private={"default_collate_fn_map": "dovetail.data.collate"}
    ),
    "torch.distributions.utils": Names(
        None,
        private={
            **dict.fromkeys(("logits_to_probs", "probs_to_logits"), "dovetail.distributions.discrete"),
            **dict.fromkeys(("broadcast_all", "lazy_property"), "dovetail.distributions.distribution"),
        },
    ),
    "torch.types": Names("dovetail.types", private=dict.fromkeys(TYPES.split(), "dovetail.types")),
    "torch.profiler.profiler": Names("dovetail.profiler"),
    "torch.nn.parallel.distributed": Names("dovetail.nn.parallel"),
    "torch.nn.common_types": Names(None, private=dict.fromkeys(COMMON.split(), "dovetail.nn.tuples")),
    "torch.distributed.distributed_c10d": Names("dovetail.distributed"),
    "torch.utils._pytree": Names("dovetail.utils._pytree"),
    "torch.utils.dlpack": Names("dovetail.utils.dlpack"),
    "torch.utils.hooks": Names(None, private={"RemovableHandle": "dovetail.nn.hooks"}),
    "torch.utils.deterministic": Names(None, {"fill_uninitialized_memory": True}),
    "torch.backends.quantized": Names(None, {"engine": "none", "supported_engines": ["none"]}),
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
