"""The families of primitives. A family names the loops that the code generator puts around an element's arithmetic."""

ELEMENT = "element"  # out[i] = f(a[i], b[i], ...): all operands and results have one shape
SHAPE = "shape"  # out[i] = in[affine(i)]: reshape, transpose, broadcast, slice, pad, concat
MAKE = "make"  # out[i] = f(i): full, iota, literal, random bits
REDUCE = "reduce"  # folds over some dims
SCAN = "scan"  # running folds along one dim
INDEX = "index"  # gather, scatter and their kin: addresses come from data
SORT = "sort"
CONTRACT = "contract"  # sums of products: matmul in all its forms
CONV = "conv"  # convolution and its two gradients: products over windows
WINDOW = "window"  # folds over windows that slide along the last dims (pooling), and the windows themselves
HOST = "host"  # runs in NumPy, called back from the compiled program
LOOP = "loop"  # repeats a graph, passing results of one turn on to the next
