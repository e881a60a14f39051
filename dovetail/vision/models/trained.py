"""Which trained weights torchvision publishes for each model: file, size of the picture it was trained for.

Nothing is downloaded. A file that lies where PyTorch keeps such files (TORCH_HOME/hub/checkpoints) is read; else the
message says which file to put where. The names and facts are torchvision's.
"""

from __future__ import annotations

from dovetail.vision.models.weights import BICUBIC, WeightsEnum, imagenet


class AlexNet_Weights(WeightsEnum):
    """Weights of alexnet."""

    IMAGENET1K_V1 = imagenet("alexnet-owt-7be5be79.pth", 61_100_840)
    DEFAULT = IMAGENET1K_V1


class ConvNeXt_Base_Weights(WeightsEnum):
    """Weights of convnext_base."""

    IMAGENET1K_V1 = imagenet("convnext_base-6075fbad.pth", 88_591_464, resize=232)
    DEFAULT = IMAGENET1K_V1


class ConvNeXt_Large_Weights(WeightsEnum):
    """Weights of convnext_large."""

    IMAGENET1K_V1 = imagenet("convnext_large-ea097f82.pth", 197_767_336, resize=232)
    DEFAULT = IMAGENET1K_V1


class ConvNeXt_Small_Weights(WeightsEnum):
    """Weights of convnext_small."""

    IMAGENET1K_V1 = imagenet("convnext_small-0c510722.pth", 50_223_688, resize=230)
    DEFAULT = IMAGENET1K_V1


class ConvNeXt_Tiny_Weights(WeightsEnum):
    """Weights of convnext_tiny."""

    IMAGENET1K_V1 = imagenet("convnext_tiny-983f1562.pth", 28_589_128, resize=236)
    DEFAULT = IMAGENET1K_V1


class DenseNet121_Weights(WeightsEnum):
    """Weights of densenet121."""

    IMAGENET1K_V1 = imagenet("densenet121-a639ec97.pth", 7_978_856)
    DEFAULT = IMAGENET1K_V1


class DenseNet161_Weights(WeightsEnum):
    """Weights of densenet161."""

    IMAGENET1K_V1 = imagenet("densenet161-8d451a50.pth", 28_681_000)
    DEFAULT = IMAGENET1K_V1


class DenseNet169_Weights(WeightsEnum):
    """Weights of densenet169."""

    IMAGENET1K_V1 = imagenet("densenet169-b2777c0a.pth", 14_149_480)
    DEFAULT = IMAGENET1K_V1


class DenseNet201_Weights(WeightsEnum):
    """Weights of densenet201."""

    IMAGENET1K_V1 = imagenet("densenet201-c1103571.pth", 20_013_928)
    DEFAULT = IMAGENET1K_V1


class EfficientNet_B0_Weights(WeightsEnum):
    """Weights of efficientnet_b0."""

    IMAGENET1K_V1 = imagenet("efficientnet_b0_rwightman-7f5810bc.pth", 5_288_548, interpolation=BICUBIC)
    DEFAULT = IMAGENET1K_V1


class EfficientNet_B1_Weights(WeightsEnum):
    """Weights of efficientnet_b1."""

    IMAGENET1K_V1 = imagenet("efficientnet_b1_rwightman-bac287d4.pth", 7_794_184, crop=240, interpolation=BICUBIC)
    IMAGENET1K_V2 = imagenet("efficientnet_b1-c27df63c.pth", 7_794_184, crop=240, resize=255)
    DEFAULT = IMAGENET1K_V2


class EfficientNet_B2_Weights(WeightsEnum):
    """Weights of efficientnet_b2."""

    IMAGENET1K_V1 = imagenet(
        "efficientnet_b2_rwightman-c35c1473.pth", 9_109_994, crop=288, resize=288, interpolation=BICUBIC
    )
    DEFAULT = IMAGENET1K_V1


class EfficientNet_B3_Weights(WeightsEnum):
    """Weights of efficientnet_b3."""

    IMAGENET1K_V1 = imagenet(
        "efficientnet_b3_rwightman-b3899882.pth", 12_233_232, crop=300, resize=320, interpolation=BICUBIC
    )
    DEFAULT = IMAGENET1K_V1


class EfficientNet_B4_Weights(WeightsEnum):
    """Weights of efficientnet_b4."""

    IMAGENET1K_V1 = imagenet(
        "efficientnet_b4_rwightman-23ab8bcd.pth", 19_341_616, crop=380, resize=384, interpolation=BICUBIC
    )
    DEFAULT = IMAGENET1K_V1


class EfficientNet_B5_Weights(WeightsEnum):
    """Weights of efficientnet_b5."""

    IMAGENET1K_V1 = imagenet(
        "efficientnet_b5_lukemelas-1a07897c.pth", 30_389_784, crop=456, resize=456, interpolation=BICUBIC
    )
    DEFAULT = IMAGENET1K_V1


class EfficientNet_B6_Weights(WeightsEnum):
    """Weights of efficientnet_b6."""

    IMAGENET1K_V1 = imagenet(
        "efficientnet_b6_lukemelas-24a108a5.pth", 43_040_704, crop=528, resize=528, interpolation=BICUBIC
    )
    DEFAULT = IMAGENET1K_V1


class EfficientNet_B7_Weights(WeightsEnum):
    """Weights of efficientnet_b7."""

    IMAGENET1K_V1 = imagenet(
        "efficientnet_b7_lukemelas-c5b4e57e.pth", 66_347_960, crop=600, resize=600, interpolation=BICUBIC
    )
    DEFAULT = IMAGENET1K_V1


class EfficientNet_V2_L_Weights(WeightsEnum):
    """Weights of efficientnet_v2_l."""

    IMAGENET1K_V1 = imagenet(
        "efficientnet_v2_l-59c71312.pth",
        118_515_272,
        crop=480,
        resize=480,
        interpolation=BICUBIC,
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
    )
    DEFAULT = IMAGENET1K_V1


class EfficientNet_V2_M_Weights(WeightsEnum):
    """Weights of efficientnet_v2_m."""

    IMAGENET1K_V1 = imagenet("efficientnet_v2_m-dc08266a.pth", 54_139_356, crop=480, resize=480)
    DEFAULT = IMAGENET1K_V1


class EfficientNet_V2_S_Weights(WeightsEnum):
    """Weights of efficientnet_v2_s."""

    IMAGENET1K_V1 = imagenet("efficientnet_v2_s-dd5fe13b.pth", 21_458_488, crop=384, resize=384)
    DEFAULT = IMAGENET1K_V1


class GoogLeNet_Weights(WeightsEnum):
    """Weights of googlenet."""

    IMAGENET1K_V1 = imagenet("googlenet-1378be20.pth", 6_624_904)
    DEFAULT = IMAGENET1K_V1


class Inception_V3_Weights(WeightsEnum):
    """Weights of inception_v3."""

    IMAGENET1K_V1 = imagenet("inception_v3_google-0cc3c7bd.pth", 27_161_264, crop=299, resize=342)
    DEFAULT = IMAGENET1K_V1


class MaxVit_T_Weights(WeightsEnum):
    """Weights of maxvit_t."""

    IMAGENET1K_V1 = imagenet("maxvit_t-bc5ab103.pth", 30_919_624, resize=224, interpolation=BICUBIC)
    DEFAULT = IMAGENET1K_V1


class MNASNet0_5_Weights(WeightsEnum):
    """Weights of mnasnet0_5."""

    IMAGENET1K_V1 = imagenet("mnasnet0.5_top1_67.823-3ffadce67e.pth", 2_218_512)
    DEFAULT = IMAGENET1K_V1


class MNASNet0_75_Weights(WeightsEnum):
    """Weights of mnasnet0_75."""

    IMAGENET1K_V1 = imagenet("mnasnet0_75-7090bc5f.pth", 3_170_208, resize=232)
    DEFAULT = IMAGENET1K_V1


class MNASNet1_0_Weights(WeightsEnum):
    """Weights of mnasnet1_0."""

    IMAGENET1K_V1 = imagenet("mnasnet1.0_top1_73.512-f206786ef8.pth", 4_383_312)
    DEFAULT = IMAGENET1K_V1


class MNASNet1_3_Weights(WeightsEnum):
    """Weights of mnasnet1_3."""

    IMAGENET1K_V1 = imagenet("mnasnet1_3-a4c69d6f.pth", 6_282_256, resize=232)
    DEFAULT = IMAGENET1K_V1


class MobileNet_V2_Weights(WeightsEnum):
    """Weights of mobilenet_v2."""

    IMAGENET1K_V1 = imagenet("mobilenet_v2-b0353104.pth", 3_504_872)
    IMAGENET1K_V2 = imagenet("mobilenet_v2-7ebf99e0.pth", 3_504_872, resize=232)
    DEFAULT = IMAGENET1K_V2


class MobileNet_V3_Large_Weights(WeightsEnum):
    """Weights of mobilenet_v3_large."""

    IMAGENET1K_V1 = imagenet("mobilenet_v3_large-8738ca79.pth", 5_483_032)
    IMAGENET1K_V2 = imagenet("mobilenet_v3_large-5c1a4163.pth", 5_483_032, resize=232)
    DEFAULT = IMAGENET1K_V2


class MobileNet_V3_Small_Weights(WeightsEnum):
    """Weights of mobilenet_v3_small."""

    IMAGENET1K_V1 = imagenet("mobilenet_v3_small-047dcff4.pth", 2_542_856)
    DEFAULT = IMAGENET1K_V1


class RegNet_X_16GF_Weights(WeightsEnum):
    """Weights of regnet_x_16gf."""

    IMAGENET1K_V1 = imagenet("regnet_x_16gf-2007eb11.pth", 54_278_536)
    IMAGENET1K_V2 = imagenet("regnet_x_16gf-ba3796d7.pth", 54_278_536, resize=232)
    DEFAULT = IMAGENET1K_V2


class RegNet_X_1_6GF_Weights(WeightsEnum):
    """Weights of regnet_x_1_6gf."""

    IMAGENET1K_V1 = imagenet("regnet_x_1_6gf-e3633e7f.pth", 9_190_136)
    IMAGENET1K_V2 = imagenet("regnet_x_1_6gf-a12f2b72.pth", 9_190_136, resize=232)
    DEFAULT = IMAGENET1K_V2


class RegNet_X_32GF_Weights(WeightsEnum):
    """Weights of regnet_x_32gf."""

    IMAGENET1K_V1 = imagenet("regnet_x_32gf-9d47f8d0.pth", 107_811_560)
    IMAGENET1K_V2 = imagenet("regnet_x_32gf-6eb8fdc6.pth", 107_811_560, resize=232)
    DEFAULT = IMAGENET1K_V2


class RegNet_X_3_2GF_Weights(WeightsEnum):
    """Weights of regnet_x_3_2gf."""

    IMAGENET1K_V1 = imagenet("regnet_x_3_2gf-f342aeae.pth", 15_296_552)
    IMAGENET1K_V2 = imagenet("regnet_x_3_2gf-7071aa85.pth", 15_296_552, resize=232)
    DEFAULT = IMAGENET1K_V2


class RegNet_X_400MF_Weights(WeightsEnum):
    """Weights of regnet_x_400mf."""

    IMAGENET1K_V1 = imagenet("regnet_x_400mf-adf1edd5.pth", 5_495_976)
    IMAGENET1K_V2 = imagenet("regnet_x_400mf-62229a5f.pth", 5_495_976, resize=232)
    DEFAULT = IMAGENET1K_V2


class RegNet_X_800MF_Weights(WeightsEnum):
    """Weights of regnet_x_800mf."""

    IMAGENET1K_V1 = imagenet("regnet_x_800mf-ad17e45c.pth", 7_259_656)
    IMAGENET1K_V2 = imagenet("regnet_x_800mf-94a99ebd.pth", 7_259_656, resize=232)
    DEFAULT = IMAGENET1K_V2


class RegNet_X_8GF_Weights(WeightsEnum):
    """Weights of regnet_x_8gf."""

    IMAGENET1K_V1 = imagenet("regnet_x_8gf-03ceed89.pth", 39_572_648)
    IMAGENET1K_V2 = imagenet("regnet_x_8gf-2b70d774.pth", 39_572_648, resize=232)
    DEFAULT = IMAGENET1K_V2


class RegNet_Y_128GF_Weights(WeightsEnum):
    """Weights of regnet_y_128gf."""

    IMAGENET1K_SWAG_E2E_V1 = imagenet(
        "regnet_y_128gf_swag-c8ce3e52.pth", 644_812_894, crop=384, resize=384, interpolation=BICUBIC
    )
    IMAGENET1K_SWAG_LINEAR_V1 = imagenet(
        "regnet_y_128gf_lc_swag-cbe8ce12.pth", 644_812_894, resize=224, interpolation=BICUBIC
    )
    DEFAULT = IMAGENET1K_SWAG_E2E_V1


class RegNet_Y_16GF_Weights(WeightsEnum):
    """Weights of regnet_y_16gf."""

    IMAGENET1K_V1 = imagenet("regnet_y_16gf-9e6ed7dd.pth", 83_590_140)
    IMAGENET1K_V2 = imagenet("regnet_y_16gf-3e4a00f9.pth", 83_590_140, resize=232)
    IMAGENET1K_SWAG_E2E_V1 = imagenet(
        "regnet_y_16gf_swag-43afe44d.pth", 83_590_140, crop=384, resize=384, interpolation=BICUBIC
    )
    IMAGENET1K_SWAG_LINEAR_V1 = imagenet(
        "regnet_y_16gf_lc_swag-f3ec0043.pth", 83_590_140, resize=224, interpolation=BICUBIC
    )
    DEFAULT = IMAGENET1K_V2


class RegNet_Y_1_6GF_Weights(WeightsEnum):
    """Weights of regnet_y_1_6gf."""

    IMAGENET1K_V1 = imagenet("regnet_y_1_6gf-b11a554e.pth", 11_202_430)
    IMAGENET1K_V2 = imagenet("regnet_y_1_6gf-0d7bc02a.pth", 11_202_430, resize=232)
    DEFAULT = IMAGENET1K_V2


class RegNet_Y_32GF_Weights(WeightsEnum):
    """Weights of regnet_y_32gf."""

    IMAGENET1K_V1 = imagenet("regnet_y_32gf-4dee3f7a.pth", 145_046_770)
    IMAGENET1K_V2 = imagenet("regnet_y_32gf-8db6d4b5.pth", 145_046_770, resize=232)
    IMAGENET1K_SWAG_E2E_V1 = imagenet(
        "regnet_y_32gf_swag-04fdfa75.pth", 145_046_770, crop=384, resize=384, interpolation=BICUBIC
    )
    IMAGENET1K_SWAG_LINEAR_V1 = imagenet(
        "regnet_y_32gf_lc_swag-e1583746.pth", 145_046_770, resize=224, interpolation=BICUBIC
    )
    DEFAULT = IMAGENET1K_V2


class RegNet_Y_3_2GF_Weights(WeightsEnum):
    """Weights of regnet_y_3_2gf."""

    IMAGENET1K_V1 = imagenet("regnet_y_3_2gf-b5a9779c.pth", 19_436_338)
    IMAGENET1K_V2 = imagenet("regnet_y_3_2gf-9180c971.pth", 19_436_338, resize=232)
    DEFAULT = IMAGENET1K_V2


class RegNet_Y_400MF_Weights(WeightsEnum):
    """Weights of regnet_y_400mf."""

    IMAGENET1K_V1 = imagenet("regnet_y_400mf-c65dace8.pth", 4_344_144)
    IMAGENET1K_V2 = imagenet("regnet_y_400mf-e6988f5f.pth", 4_344_144, resize=232)
    DEFAULT = IMAGENET1K_V2


class RegNet_Y_800MF_Weights(WeightsEnum):
    """Weights of regnet_y_800mf."""

    IMAGENET1K_V1 = imagenet("regnet_y_800mf-1b27b58c.pth", 6_432_512)
    IMAGENET1K_V2 = imagenet("regnet_y_800mf-58fc7688.pth", 6_432_512, resize=232)
    DEFAULT = IMAGENET1K_V2


class RegNet_Y_8GF_Weights(WeightsEnum):
    """Weights of regnet_y_8gf."""

    IMAGENET1K_V1 = imagenet("regnet_y_8gf-d0d0e4a8.pth", 39_381_472)
    IMAGENET1K_V2 = imagenet("regnet_y_8gf-dc2b1b54.pth", 39_381_472, resize=232)
    DEFAULT = IMAGENET1K_V2


class ResNet101_Weights(WeightsEnum):
    """Weights of resnet101."""

    IMAGENET1K_V1 = imagenet("resnet101-63fe2227.pth", 44_549_160)
    IMAGENET1K_V2 = imagenet("resnet101-cd907fc2.pth", 44_549_160, resize=232)
    DEFAULT = IMAGENET1K_V2


class ResNet152_Weights(WeightsEnum):
    """Weights of resnet152."""

    IMAGENET1K_V1 = imagenet("resnet152-394f9c45.pth", 60_192_808)
    IMAGENET1K_V2 = imagenet("resnet152-f82ba261.pth", 60_192_808, resize=232)
    DEFAULT = IMAGENET1K_V2


class ResNet18_Weights(WeightsEnum):
    """Weights of resnet18."""

    IMAGENET1K_V1 = imagenet("resnet18-f37072fd.pth", 11_689_512)
    DEFAULT = IMAGENET1K_V1


class ResNet34_Weights(WeightsEnum):
    """Weights of resnet34."""

    IMAGENET1K_V1 = imagenet("resnet34-b627a593.pth", 21_797_672)
    DEFAULT = IMAGENET1K_V1


class ResNet50_Weights(WeightsEnum):
    """Weights of resnet50."""

    IMAGENET1K_V1 = imagenet("resnet50-0676ba61.pth", 25_557_032)
    IMAGENET1K_V2 = imagenet("resnet50-11ad3fa6.pth", 25_557_032, resize=232)
    DEFAULT = IMAGENET1K_V2


class ResNeXt101_32X8D_Weights(WeightsEnum):
    """Weights of resnext101_32x8d."""

    IMAGENET1K_V1 = imagenet("resnext101_32x8d-8ba56ff5.pth", 88_791_336)
    IMAGENET1K_V2 = imagenet("resnext101_32x8d-110c445d.pth", 88_791_336, resize=232)
    DEFAULT = IMAGENET1K_V2


class ResNeXt101_64X4D_Weights(WeightsEnum):
    """Weights of resnext101_64x4d."""

    IMAGENET1K_V1 = imagenet("resnext101_64x4d-173b62eb.pth", 83_455_272, resize=232)
    DEFAULT = IMAGENET1K_V1


class ResNeXt50_32X4D_Weights(WeightsEnum):
    """Weights of resnext50_32x4d."""

    IMAGENET1K_V1 = imagenet("resnext50_32x4d-7cdf4587.pth", 25_028_904)
    IMAGENET1K_V2 = imagenet("resnext50_32x4d-1a0047aa.pth", 25_028_904, resize=232)
    DEFAULT = IMAGENET1K_V2


class ShuffleNet_V2_X0_5_Weights(WeightsEnum):
    """Weights of shufflenet_v2_x0_5."""

    IMAGENET1K_V1 = imagenet("shufflenetv2_x0.5-f707e7126e.pth", 1_366_792)
    DEFAULT = IMAGENET1K_V1


class ShuffleNet_V2_X1_0_Weights(WeightsEnum):
    """Weights of shufflenet_v2_x1_0."""

    IMAGENET1K_V1 = imagenet("shufflenetv2_x1-5666bf0f80.pth", 2_278_604)
    DEFAULT = IMAGENET1K_V1


class ShuffleNet_V2_X1_5_Weights(WeightsEnum):
    """Weights of shufflenet_v2_x1_5."""

    IMAGENET1K_V1 = imagenet("shufflenetv2_x1_5-3c479a10.pth", 3_503_624, resize=232)
    DEFAULT = IMAGENET1K_V1


class ShuffleNet_V2_X2_0_Weights(WeightsEnum):
    """Weights of shufflenet_v2_x2_0."""

    IMAGENET1K_V1 = imagenet("shufflenetv2_x2_0-8be3c8ee.pth", 7_393_996, resize=232)
    DEFAULT = IMAGENET1K_V1


class SqueezeNet1_0_Weights(WeightsEnum):
    """Weights of squeezenet1_0."""

    IMAGENET1K_V1 = imagenet("squeezenet1_0-b66bff10.pth", 1_248_424)
    DEFAULT = IMAGENET1K_V1


class SqueezeNet1_1_Weights(WeightsEnum):
    """Weights of squeezenet1_1."""

    IMAGENET1K_V1 = imagenet("squeezenet1_1-b8a52dc0.pth", 1_235_496)
    DEFAULT = IMAGENET1K_V1


class Swin_B_Weights(WeightsEnum):
    """Weights of swin_b."""

    IMAGENET1K_V1 = imagenet("swin_b-68c6b09e.pth", 87_768_224, resize=238, interpolation=BICUBIC)
    DEFAULT = IMAGENET1K_V1


class Swin_S_Weights(WeightsEnum):
    """Weights of swin_s."""

    IMAGENET1K_V1 = imagenet("swin_s-5e29d889.pth", 49_606_258, resize=246, interpolation=BICUBIC)
    DEFAULT = IMAGENET1K_V1


class Swin_T_Weights(WeightsEnum):
    """Weights of swin_t."""

    IMAGENET1K_V1 = imagenet("swin_t-704ceda3.pth", 28_288_354, resize=232, interpolation=BICUBIC)
    DEFAULT = IMAGENET1K_V1


class Swin_V2_B_Weights(WeightsEnum):
    """Weights of swin_v2_b."""

    IMAGENET1K_V1 = imagenet("swin_v2_b-781e5279.pth", 87_930_848, crop=256, resize=272, interpolation=BICUBIC)
    DEFAULT = IMAGENET1K_V1


class Swin_V2_S_Weights(WeightsEnum):
    """Weights of swin_v2_s."""

    IMAGENET1K_V1 = imagenet("swin_v2_s-637d8ceb.pth", 49_737_442, crop=256, resize=260, interpolation=BICUBIC)
    DEFAULT = IMAGENET1K_V1


class Swin_V2_T_Weights(WeightsEnum):
    """Weights of swin_v2_t."""

    IMAGENET1K_V1 = imagenet("swin_v2_t-b137f0e2.pth", 28_351_570, crop=256, resize=260, interpolation=BICUBIC)
    DEFAULT = IMAGENET1K_V1


class VGG11_Weights(WeightsEnum):
    """Weights of vgg11."""

    IMAGENET1K_V1 = imagenet("vgg11-8a719046.pth", 132_863_336)
    DEFAULT = IMAGENET1K_V1


class VGG11_BN_Weights(WeightsEnum):
    """Weights of vgg11_bn."""

    IMAGENET1K_V1 = imagenet("vgg11_bn-6002323d.pth", 132_868_840)
    DEFAULT = IMAGENET1K_V1


class VGG13_Weights(WeightsEnum):
    """Weights of vgg13."""

    IMAGENET1K_V1 = imagenet("vgg13-19584684.pth", 133_047_848)
    DEFAULT = IMAGENET1K_V1


class VGG13_BN_Weights(WeightsEnum):
    """Weights of vgg13_bn."""

    IMAGENET1K_V1 = imagenet("vgg13_bn-abd245e5.pth", 133_053_736)
    DEFAULT = IMAGENET1K_V1


class VGG16_Weights(WeightsEnum):
    """Weights of vgg16."""

    IMAGENET1K_V1 = imagenet("vgg16-397923af.pth", 138_357_544)
    IMAGENET1K_FEATURES = imagenet(
        "vgg16_features-amdegroot-88682ab5.pth",
        138_357_544,
        mean=(0.48235, 0.45882, 0.40784),
        std=(0.00392156862745098, 0.00392156862745098, 0.00392156862745098),
    )
    DEFAULT = IMAGENET1K_V1


class VGG16_BN_Weights(WeightsEnum):
    """Weights of vgg16_bn."""

    IMAGENET1K_V1 = imagenet("vgg16_bn-6c64b313.pth", 138_365_992)
    DEFAULT = IMAGENET1K_V1


class VGG19_Weights(WeightsEnum):
    """Weights of vgg19."""

    IMAGENET1K_V1 = imagenet("vgg19-dcbb9e9d.pth", 143_667_240)
    DEFAULT = IMAGENET1K_V1


class VGG19_BN_Weights(WeightsEnum):
    """Weights of vgg19_bn."""

    IMAGENET1K_V1 = imagenet("vgg19_bn-c79401a0.pth", 143_678_248)
    DEFAULT = IMAGENET1K_V1


class ViT_B_16_Weights(WeightsEnum):
    """Weights of vit_b_16."""

    IMAGENET1K_V1 = imagenet("vit_b_16-c867db91.pth", 86_567_656)
    IMAGENET1K_SWAG_E2E_V1 = imagenet(
        "vit_b_16_swag-9ac1b537.pth", 86_859_496, crop=384, resize=384, interpolation=BICUBIC
    )
    IMAGENET1K_SWAG_LINEAR_V1 = imagenet("vit_b_16_lc_swag-4e70ced5.pth", 86_567_656, resize=224, interpolation=BICUBIC)
    DEFAULT = IMAGENET1K_V1


class ViT_B_32_Weights(WeightsEnum):
    """Weights of vit_b_32."""

    IMAGENET1K_V1 = imagenet("vit_b_32-d86f8d99.pth", 88_224_232)
    DEFAULT = IMAGENET1K_V1


class ViT_H_14_Weights(WeightsEnum):
    """Weights of vit_h_14."""

    IMAGENET1K_SWAG_E2E_V1 = imagenet(
        "vit_h_14_swag-80465313.pth", 633_470_440, crop=518, resize=518, interpolation=BICUBIC
    )
    IMAGENET1K_SWAG_LINEAR_V1 = imagenet(
        "vit_h_14_lc_swag-c1eb923e.pth", 632_045_800, resize=224, interpolation=BICUBIC
    )
    DEFAULT = IMAGENET1K_SWAG_E2E_V1


class ViT_L_16_Weights(WeightsEnum):
    """Weights of vit_l_16."""

    IMAGENET1K_V1 = imagenet("vit_l_16-852ce7e3.pth", 304_326_632, resize=242)
    IMAGENET1K_SWAG_E2E_V1 = imagenet(
        "vit_l_16_swag-4f3808c9.pth", 305_174_504, crop=512, resize=512, interpolation=BICUBIC
    )
    IMAGENET1K_SWAG_LINEAR_V1 = imagenet(
        "vit_l_16_lc_swag-4d563306.pth", 304_326_632, resize=224, interpolation=BICUBIC
    )
    DEFAULT = IMAGENET1K_V1


class ViT_L_32_Weights(WeightsEnum):
    """Weights of vit_l_32."""

    IMAGENET1K_V1 = imagenet("vit_l_32-c7638314.pth", 306_535_400)
    DEFAULT = IMAGENET1K_V1


class Wide_ResNet101_2_Weights(WeightsEnum):
    """Weights of wide_resnet101_2."""

    IMAGENET1K_V1 = imagenet("wide_resnet101_2-32ee1156.pth", 126_886_696)
    IMAGENET1K_V2 = imagenet("wide_resnet101_2-d733dc28.pth", 126_886_696, resize=232)
    DEFAULT = IMAGENET1K_V2


class Wide_ResNet50_2_Weights(WeightsEnum):
    """Weights of wide_resnet50_2."""

    IMAGENET1K_V1 = imagenet("wide_resnet50_2-95faca4d.pth", 68_883_240)
    IMAGENET1K_V2 = imagenet("wide_resnet50_2-9ba9bcbe.pth", 68_883_240, resize=232)
    DEFAULT = IMAGENET1K_V2
