"""The networks: sizes, what they see, how they start."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stpairs_core.errors import InvalidSpec
from stpairs_core.spec import NetworkSpec, VolumeShape
from stpairs_torch.c3d import C3D, PairHead, PairNetwork, Residual, Rgb, initialise, pooled_cells, scaled

SMALL = VolumeShape(16, 16, 16)
TINY = 1 / 32


def parameters(network: torch.nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


def random_volumes(count: int, volume: VolumeShape = SMALL, seed: int = 0) -> torch.Tensor:
    shape = (count, volume.frames, volume.height, volume.width, 3)
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8))


def test_the_papers_network_has_the_size_and_shapes_of_the_c3d_paper() -> None:
    network = C3D(VolumeShape(), NetworkSpec())
    assert parameters(network) == 17_238_016
    assert parameters(torch.nn.Sequential(network, torch.nn.Linear(network.width, 101))) == 17_444_965
    assert parameters(PairHead(2048, NetworkSpec())) == 4096 * 64 + 64 + 64 + 1

    pooled: list[tuple[int, ...]] = []
    for number in range(1, 6):
        layer = getattr(network, f"pool{number}")
        layer.register_forward_hook(lambda _layer, _inputs, output: pooled.append(tuple(output.shape)))
    with torch.inference_mode():
        features = network.eval()(random_volumes(1, VolumeShape()))
    assert pooled == [
        (1, 64, 16, 56, 56),
        (1, 128, 8, 28, 28),
        (1, 256, 4, 14, 14),
        (1, 256, 2, 7, 7),
        (1, 256, 1, 4, 4),
    ]
    assert features.shape == (1, 2048)
    assert features.dtype == torch.float32


@settings(deadline=None)  # the first call loads parts of torch
@given(frames=st.integers(16, 34), height=st.integers(16, 66), width=st.integers(16, 66))
def test_every_volume_of_the_smallest_size_or_more_fits(frames: int, height: int, width: int) -> None:
    volume = VolumeShape(frames, height, width)
    with torch.device("meta"):
        network = C3D(volume, NetworkSpec(TINY))
        x = torch.empty(1, 8, frames // 8, height // 16, width // 16)
        assert network.fc6[0].in_features == network.pool5(x).numel() == 8 * pooled_cells(volume)


@pytest.mark.parametrize("volume", [VolumeShape(15, 112, 112), VolumeShape(16, 15, 112), VolumeShape(16, 112, 15)])
def test_smaller_volumes_are_refused_with_the_smallest_size(volume: VolumeShape) -> None:
    with pytest.raises(InvalidSpec, match=f"{volume}; the smallest it takes are 16x16x16"):
        C3D(volume, NetworkSpec(TINY))


@pytest.mark.parametrize("kind", ["rgb", "residual"])
def test_the_smallest_volume_goes_through(kind: str) -> None:
    network = C3D(SMALL, NetworkSpec(TINY, input=kind))  # type: ignore[arg-type]
    assert network(random_volumes(2)).shape == (2, 64)


def test_width_scales_every_channel_count_and_leaves_at_least_one() -> None:
    assert [scaled(64, width) for width in (1, 0.125, 1 / 64, 1e-9)] == [64, 8, 1, 1]
    narrow, wide = (C3D(SMALL, NetworkSpec(width)) for width in (1 / 16, 1 / 8))
    assert (narrow.width, wide.width) == (128, 256)
    assert wide.conv3[0].weight.shape == (32, 16, 3, 3, 3)


def test_rgb_is_centred_and_stays_channels_last_without_a_copy_of_its_own() -> None:
    volumes = random_volumes(2)
    seen = Rgb()(volumes)
    expected = (volumes.numpy().astype(np.float64).transpose(0, 4, 1, 2, 3) - 127.5) / 64
    np.testing.assert_array_equal(seen.numpy(), expected)
    assert seen.is_contiguous(memory_format=torch.channels_last_3d)


def test_residual_sees_the_differences_of_neighbouring_frames_and_a_last_frame_of_zeros() -> None:
    volumes = random_volumes(2)
    seen = Residual()(volumes).numpy()
    frames = volumes.numpy().astype(np.float64).transpose(0, 4, 1, 2, 3)
    np.testing.assert_array_equal(seen[:, :, :-1], np.diff(frames, axis=2) / 16)
    assert seen.shape == frames.shape
    assert not seen[:, :, -1].any()


def test_a_residual_network_cannot_tell_two_still_scenes_apart_and_an_rgb_network_can() -> None:
    still = random_volumes(2)[:, :1].expand(-1, 16, -1, -1, -1)
    features = {}
    for kind in ("rgb", "residual"):
        network = C3D(SMALL, NetworkSpec(TINY, input=kind)).eval()
        features[kind] = network(still)
    assert torch.equal(features["residual"][0], features["residual"][1])
    assert not torch.allclose(features["rgb"][0], features["rgb"][1])


def test_relu_after_pooling_gives_what_relu_before_it_gives() -> None:
    network = C3D(SMALL, NetworkSpec(TINY)).eval()
    x = network.input(random_volumes(3))
    for number in range(1, 6):
        x = getattr(network, f"pool{number}")(torch.relu(getattr(network, f"conv{number}")(x)))
    assert torch.equal(network(random_volumes(3)), network.fc7(network.fc6(x.flatten(1))))


def test_compare_scores_both_orders_alike_and_concat_does_not() -> None:
    f1, f2 = torch.rand(2, 5, 8).unbind()
    for head, alike in (("compare", True), ("concat", False)):
        judge = PairHead(8, NetworkSpec(head=head, dropout=0.0))  # type: ignore[arg-type]
        assert judge(f1, f2).shape == (5,)
        assert torch.equal(judge(f1, f2), judge(f2, f1)) == alike


def test_the_pair_network_encodes_both_members_with_the_same_weights() -> None:
    network = PairNetwork(SMALL, NetworkSpec(TINY)).eval()
    first, second = random_volumes(3, seed=1), random_volumes(3, seed=2)
    expected = network.head(network.encoder(first), network.encoder(second))
    torch.testing.assert_close(network(first, second), expected)


def test_dropout_follows_every_full_layer_but_the_output() -> None:
    network = PairNetwork(SMALL, NetworkSpec(TINY, dropout=0.25))
    dropouts = {name: m.p for name, m in network.named_modules() if isinstance(m, torch.nn.Dropout)}
    assert dropouts == {"encoder.fc6.dropout": 0.25, "encoder.fc7.dropout": 0.25, "head.hidden.2": 0.25}


def test_batch_norm_follows_every_convolution_and_full_layer_of_the_encoder() -> None:
    network = C3D(SMALL, NetworkSpec(TINY, norm="batch"))
    kinds = [type(m).__name__ for m in network.modules() if "BatchNorm" in type(m).__name__]
    assert kinds == ["BatchNorm3d"] * 5 + ["BatchNorm1d"] * 2
    plain = C3D(SMALL, NetworkSpec(TINY))
    assert not any("BatchNorm" in type(m).__name__ for m in plain.modules())


def test_initial_weights_are_hes_normal_with_zero_biases_from_the_generator_alone() -> None:
    networks = [PairNetwork(SMALL, NetworkSpec(0.25, norm="batch")) for _ in range(2)]
    for number, network in enumerate(networks):
        torch.manual_seed(number)
        initialise(network, torch.Generator().manual_seed(5))
    first, second = (dict(network.named_parameters()) for network in networks)
    assert all(torch.equal(weight, second[name]) for name, weight in first.items())
    for name, weight in first.items():
        if weight.ndim == 1:
            assert bool((weight == (1.0 if name.endswith("norm.weight") else 0.0)).all()), name
        elif weight.numel() > 1000:
            assert weight.std().item() == pytest.approx((2 / weight[0].numel()) ** 0.5, rel=0.1), name
