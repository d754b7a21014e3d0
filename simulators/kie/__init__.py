"""KIE.ai, which resells Kling: api, upload host and result host."""

from simulators.kie.config import Callbacks, KieConfig, TaskOrder, WeatherConfig
from simulators.kie.simulator import KieSimulator

__all__ = ["Callbacks", "KieConfig", "KieSimulator", "TaskOrder", "WeatherConfig"]
