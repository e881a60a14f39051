"""Reference networks. Their parameters have torchvision's names, so its weight files load; none are downloaded."""

from dovetail.vision.models.alexnet import AlexNet, alexnet
from dovetail.vision.models.convnext import ConvNeXt, convnext_base, convnext_small, convnext_tiny
from dovetail.vision.models.densenet import DenseNet, densenet121, densenet161, densenet169, densenet201
from dovetail.vision.models.efficientnet import EfficientNet, efficientnet_b0
from dovetail.vision.models.lenet import LeNet, lenet5
from dovetail.vision.models.mobilenet_v2 import MobileNetV2, mobilenet_v2
from dovetail.vision.models.mobilenet_v3 import MobileNetV3, mobilenet_v3_large, mobilenet_v3_small
from dovetail.vision.models.resnet import (
    ResNet,
    resnet18,
    resnet34,
    resnet50,
    resnet101,
    resnet152,
    resnext50_32x4d,
    resnext101_32x8d,
    resnext101_64x4d,
    wide_resnet50_2,
    wide_resnet101_2,
)
from dovetail.vision.models.squeezenet import SqueezeNet, squeezenet1_0, squeezenet1_1
from dovetail.vision.models.vgg import (
    VGG,
    vgg11,
    vgg11_bn,
    vgg13,
    vgg13_bn,
    vgg16,
    vgg16_bn,
    vgg19,
    vgg19_bn,
)
from dovetail.vision.models.vision_transformer import VisionTransformer, vit_b_16, vit_b_32
