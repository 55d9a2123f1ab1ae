"""All checks, in the order in which they are run: what is simple comes first, so that the first failure tells most."""

from collections.abc import Callable
from dataclasses import dataclass

from stpairs_core.testing.augmentations import calls, draws, frames, results
from stpairs_core.testing.augmentations.samples import COLOURS, EXTREMES, ODD, ONE_FRAME, ONE_PIXEL, PLAIN, THIN


@dataclass(frozen=True, slots=True)
class Check:
    """One named check: a plain function that fails an assertion, and what it is tried on."""

    run: Callable[..., None]
    """Takes what its arguments name: `aug`, `volume`, `key`, and claims of `Declares`."""
    needs: str = ""
    """The claim it is for; "": it always runs."""
    on: tuple[str, ...] = PLAIN
    """Names of the samples it is tried on."""
    shrinks: bool = True
    """Whether a smaller input that fails is looked for; not where chance may decide, for less would show it."""

    @property
    def name(self) -> str:
        """As it is known to everyone."""
        return self.run.__name__

    @property
    def asks(self) -> str:
        """One sentence: what it asks."""
        return " ".join((self.run.__doc__ or "").split("\n\n")[0].split())


_COLOURS = (COLOURS,)

CHECKS = (
    Check(results.returns_uint8_rgb),
    Check(results.shape_as_declared, "output_shape"),
    Check(results.contiguous_as_declared, "contiguous"),
    Check(calls.same_key_same_bytes, shrinks=False),
    Check(calls.different_keys_differ, "random", _COLOURS),
    Check(calls.large_keys_work, on=_COLOURS),
    Check(calls.earlier_calls_do_not_matter, on=_COLOURS),
    Check(calls.global_generators_untouched, on=_COLOURS),
    Check(calls.global_generators_unused, on=_COLOURS),
    Check(results.input_untouched, "keeps_input"),
    Check(results.result_is_no_view, "keeps_input"),
    Check(results.earlier_results_stay, "keeps_input"),
    Check(results.read_only_works, "keeps_input"),
    Check(results.layouts_do_not_matter),
    Check(results.one_frame_works, on=ONE_FRAME),
    Check(results.one_pixel_works, on=ONE_PIXEL),
    Check(results.thin_volumes_work, on=THIN),
    Check(results.odd_sizes_work, on=ODD),
    Check(results.extremes_work, on=EXTREMES),
    Check(results.refuses_float, "strict_input", _COLOURS),
    Check(results.refuses_wrong_channels, "strict_input", _COLOURS),
    Check(results.empty_is_refused_or_stays_empty, on=_COLOURS),
    Check(frames.detail_survives, "keeps_detail", _COLOURS),
    Check(frames.one_draw_for_all_frames, "one_draw"),
    Check(frames.commutes_with_time_crop, "framewise"),
    Check(frames.commutes_with_frame_order, "framewise"),
    Check(frames.commutes_with_spatial_crop, "pixelwise"),
    Check(frames.commutes_with_flip, "pixelwise"),
    Check(frames.grey_stays_grey, "grey_stays_grey"),
    Check(frames.no_wrap_around, "monotone"),
    Check(frames.twice_is_nothing, "involution"),
    Check(frames.mirror_is_matrix_product, "mirrors"),
    Check(frames.identity_changes_nothing, "identity"),
    Check(draws.ranges_kept, "ranges"),
    Check(draws.ranges_used, "ranges"),
    Check(draws.draws_are_uniform, "uniform"),
    Check(draws.neighbouring_keys_are_independent, "ranges"),
    Check(draws.parameters_are_what_is_applied, "replay"),
    Check(draws.probability_as_declared, "probability", _COLOURS),
    Check(calls.batch_equals_loop, "batch"),
    Check(calls.threads_equal_serial, on=_COLOURS),
    Check(calls.pickles, on=_COLOURS),
    Check(calls.processes_equal_this, on=_COLOURS),
)
"""Every check, as a plain tuple: take from it or add to it as you like."""
