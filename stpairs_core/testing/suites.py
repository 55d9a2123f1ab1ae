"""Whole test suites for plug-ins: subclass one in your own tests, give its fixtures, and pytest runs all of it.

Each failure ends with a script that shows it by itself. So that the script can make the plug-in, name in `factory` a
callable without arguments that does: "module:callable".
"""

from collections.abc import Callable
from typing import Any, ClassVar

from stpairs_core.protocols import Backend, Encoder, VideoSource
from stpairs_core.spec import LearnerSpec
from stpairs_core.testing import backends, encoders, learners, sharing, sources
from stpairs_core.testing.reads import Frames
from stpairs_core.testing.reproducing import construction, ending_with_calls, run_check

EXACT_ENOUGH = 1e-4
"""Of the largest feature: what batches of other sizes, which are summed in another order, may differ by."""


class SourceTests:
    """All that a `VideoSource` promises. Fixtures: `source`, and `frames`, the truth.

    `frames` are the frames of each video, (T, H, W, 3) `uint8`: a list, or whatever has a length and gives one video's
    by number. They must tell frames, videos and colours apart; the first test says where they do not. Small ones do.
    """

    factory: ClassVar[str] = ""
    """What makes the source in the scripts."""
    contiguous: ClassVar[bool] = True
    """Whether what is read is C-contiguous. A source of arrays of any layout may say False."""
    pickled_within: ClassVar[int | None] = None
    """Bytes that the pickle has at most. Set it where frames lie in files: they do not belong into a pickle."""

    def _try(self, check: Callable[..., None], source: VideoSource, frames: Frames, *rest: object) -> None:
        with ending_with_calls("source", self.factory):
            check(source, frames, *rest)

    def test_frames_tell(self, frames: Frames) -> None:
        """The frames given are such that a fault would show."""
        sources.frames_tell(frames)

    def test_length(self, source: VideoSource, frames: Frames) -> None:
        """`len` is how many videos there are."""
        self._try(sources.length, source, frames)

    def test_extents(self, source: VideoSource, frames: Frames) -> None:
        """`extents` are frames, height and width of each video, int32 (N, 3)."""
        self._try(sources.extents, source, frames)

    def test_extents_are_safe(self, source: VideoSource, frames: Frames) -> None:
        """Whoever writes into `extents` does not change the source."""
        self._try(sources.extents_are_safe, source, frames)

    def test_one_by_one(self, source: VideoSource, frames: Frames) -> None:
        """Frame k is frame k, read one after another."""
        self._try(sources.one_by_one, source, frames)

    def test_backwards(self, source: VideoSource, frames: Frames) -> None:
        """Frame k is frame k, read from the last to the first."""
        self._try(sources.backwards, source, frames)

    def test_at_random(self, source: VideoSource, frames: Frames) -> None:
        """Frames are the same in any order of reading, and in runs of any length."""
        self._try(sources.at_random, source, frames)

    def test_none_and_all(self, source: VideoSource, frames: Frames) -> None:
        """A read of no frames, and one of all."""
        self._try(sources.none_and_all, source, frames)

    def test_contiguous(self, source: VideoSource, frames: Frames) -> None:
        """What is read lies in memory as decoders give it, unless the class says otherwise."""
        if self.contiguous:
            self._try(sources.contiguous, source, frames)

    def test_missing_videos(self, source: VideoSource, frames: Frames) -> None:
        """A video that does not exist is refused by its number."""
        self._try(sources.missing_videos, source, frames)

    def test_missing_frames(self, source: VideoSource, frames: Frames) -> None:
        """Frames that do not exist are refused by their numbers."""
        self._try(sources.missing_frames, source, frames)

    def test_cannot_be_spoilt(self, source: VideoSource, frames: Frames) -> None:
        """Whoever writes into what was read does not change the source."""
        self._try(sources.cannot_be_spoilt, source, frames)

    def test_stays(self, source: VideoSource, frames: Frames) -> None:
        """What was read stays as it is when more is read."""
        self._try(sources.stays, source, frames)

    def test_deterministic(self, source: VideoSource, frames: Frames) -> None:
        """The same read gives the same bytes every time."""
        self._try(sources.deterministic, source, frames)

    def test_threads(self, source: VideoSource, frames: Frames) -> None:
        """Threads that read at once get what they asked for."""
        self._try(sharing.threads, source, frames)

    def test_pickles(self, source: VideoSource, frames: Frames) -> None:
        """A source comes back from its pickle and reads the same."""
        self._try(sharing.pickles, source, frames, self.pickled_within)

    def test_spawned(self, source: VideoSource, frames: Frames) -> None:
        """A process started afresh reads the same: the pickle holds no open file."""
        self._try(sharing.spawned, source, frames)

    def test_forked(self, source: VideoSource, frames: Frames) -> None:
        """Forked processes read the same and do not disturb one another."""
        self._try(sharing.forked, source, frames)

    def test_keeps_no_files_open(self, source: VideoSource, frames: Frames) -> None:
        """Many reads leave no more files open than a few did."""
        self._try(sharing.keeps_no_files_open, source, frames)

    def test_mines(self, source: VideoSource, frames: Frames) -> None:
        """Pairs mined from the source have the pixels of the truth."""
        self._try(sources.mines, source, frames)


class BackendTests:
    """All that a `Backend` and its learners promise. Fixtures: `backend`, and `spec`, a small `LearnerSpec` for it."""

    factory: ClassVar[str] = ""
    """What makes the backend in the scripts. One with an entry point needs none: it is found by its name."""
    device: ClassVar[str] = "cpu"
    """Where its learners run. The same calls must give the same bits there."""

    def _try(self, check: Callable[..., None], backend: Backend, spec: LearnerSpec, *rest: object) -> None:
        build = construction("backend", self.factory) if self.factory else learners.build_backend(backend)
        run_check(check, "backend", build, backend, spec, *(rest or (self.device,)))

    def test_name(self, backend: Backend, spec: LearnerSpec) -> None:
        """A backend's name is one word, that of its entry point."""
        self._try(backends.has_a_name, backend, spec)

    def test_devices(self, backend: Backend, spec: LearnerSpec) -> None:
        """Each device named really learns; one that is not there is a `MissingPart`."""
        self._try(backends.devices_work, backend, spec)

    def test_unknown_devices(self, backend: Backend, spec: LearnerSpec) -> None:
        """A word that is no device is an `InvalidSpec` that names it."""
        for word in backends.NO_DEVICES:
            self._try(backends.unknown_device, backend, spec, word)

    def test_settings(self, backend: Backend, spec: LearnerSpec) -> None:
        """Every setting makes a difference, or is refused by its name."""
        for part, field, value in backends.other_settings(spec):
            self._try(backends.setting_matters, backend, spec, self.device, part, field, value)

    def test_seed(self, backend: Backend, spec: LearnerSpec) -> None:
        """The seed, and nothing else, decides the first state."""
        self._try(learners.seed_decides, backend, spec)

    def test_state_is_arrays(self, backend: Backend, spec: LearnerSpec) -> None:
        """A state is arrays that a checkpoint can keep."""
        self._try(learners.state_is_arrays, backend, spec)

    def test_steps_learn(self, backend: Backend, spec: LearnerSpec) -> None:
        """Steps change the weights and nothing that was given or handed out."""
        self._try(learners.steps_learn, backend, spec)

    def test_state_continues(self, backend: Backend, spec: LearnerSpec) -> None:
        """A state given back continues bit for bit."""
        self._try(learners.state_continues, backend, spec)

    def test_weights_alone_continue(self, backend: Backend, spec: LearnerSpec) -> None:
        """Weights given back alone score the same, and learning goes on."""
        self._try(learners.weights_alone_continue, backend, spec)

    def test_scores(self, backend: Backend, spec: LearnerSpec) -> None:
        """Scores are each their own pair's, and asking for them changes nothing."""
        self._try(learners.scores, backend, spec)

    def test_encoder_stays(self, backend: Backend, spec: LearnerSpec) -> None:
        """An encoder has right features and does not follow later steps."""
        self._try(learners.encoder_stays, backend, spec)

    def test_asking_disturbs_nothing(self, backend: Backend, spec: LearnerSpec) -> None:
        """Scoring and encoding between the steps do not change what they learn."""
        self._try(learners.asking_disturbs_nothing, backend, spec)

    def test_changes_once(self, backend: Backend, spec: LearnerSpec) -> None:
        """F1 and F2 are applied once."""
        self._try(learners.changes_once, backend, spec)

    def test_wrong_volumes(self, backend: Backend, spec: LearnerSpec) -> None:
        """Volumes that do not fit are refused, and the state stays."""
        self._try(learners.wrong_volumes, backend, spec)

    def test_wrong_state(self, backend: Backend, spec: LearnerSpec) -> None:
        """A state that does not fit is refused by name, and nothing is changed."""
        self._try(learners.wrong_state, backend, spec)


class EncoderTests:
    """All that an `Encoder` promises. Fixture: `encoder`."""

    factory: ClassVar[str] = ""
    """What makes the encoder in the scripts."""
    tolerance: ClassVar[float] = EXACT_ENOUGH
    """Of the largest feature: what the company of other volumes may change."""

    def train(self) -> Any:
        """Change what the encoder was taken from: train it further, replace its file. By default there is nothing."""

    def _try(self, check: Callable[..., None], encoder: Encoder, *rest: object) -> None:
        run_check(check, "encoder", construction("encoder", self.factory), encoder, *rest)

    def test_shape_and_width(self, encoder: Encoder) -> None:
        """It says which volumes it takes and how long its vectors are."""
        self._try(encoders.shape_and_width, encoder)

    def test_features(self, encoder: Encoder) -> None:
        """No volume, one and many give finite float32 features, (n, width)."""
        for count in (0, 1, encoders.MANY):
            self._try(encoders.features, encoder, count)

    def test_extremes(self, encoder: Encoder) -> None:
        """Black and white have finite features."""
        for level in (0, 255):
            self._try(encoders.extremes, encoder, level)

    def test_batch_equals_loop(self, encoder: Encoder) -> None:
        """A volume's features are its own, in any company."""
        self._try(encoders.batch_equals_loop, encoder, self.tolerance)

    def test_deterministic(self, encoder: Encoder) -> None:
        """The same volumes have the same features every time."""
        self._try(encoders.deterministic, encoder)

    def test_input_untouched(self, encoder: Encoder) -> None:
        """Encoding does not change the volumes."""
        self._try(encoders.input_untouched, encoder)

    def test_layouts(self, encoder: Encoder) -> None:
        """How the volumes lie in memory does not matter."""
        for layout in encoders.LAYOUTS:
            self._try(encoders.layouts, encoder, layout, self.tolerance)

    def test_wrong_shapes(self, encoder: Encoder) -> None:
        """Volumes of another shape are a clear error."""
        for change in encoders.WRONG_SHAPES:
            self._try(encoders.wrong_shape, encoder, change)

    def test_wrong_dtypes(self, encoder: Encoder) -> None:
        """Volumes that are not uint8 are a clear error."""
        for dtype in ("float32", "int64", "bool"):
            self._try(encoders.wrong_dtype, encoder, dtype)

    def test_threads(self, encoder: Encoder) -> None:
        """Threads that encode at once get the features of their own volumes."""
        self._try(encoders.threads, encoder)

    def test_tells_apart(self, encoder: Encoder) -> None:
        """Different volumes have different features."""
        self._try(encoders.tells_apart, encoder)

    def test_features_stay(self, encoder: Encoder) -> None:
        """Features stay as they are when more is encoded."""
        self._try(encoders.features_stay, encoder)

    def test_does_not_follow(self, encoder: Encoder) -> None:
        """Features stay the same while what the encoder was taken from goes on."""
        build = construction("encoder", self.factory) + "\n\ndef train():\n    ...  # what your class does\n"
        run_check(encoders.does_not_follow, "encoder", build, encoder, self.train)
