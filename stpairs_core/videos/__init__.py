"""Where frames come from: video files, decoded once, or arrays in memory."""

from stpairs_core.videos.arrays import ArraySource
from stpairs_core.videos.listing import LeftOut
from stpairs_core.videos.opening import Videos, open_videos

__all__ = ["ArraySource", "LeftOut", "Videos", "open_videos"]
