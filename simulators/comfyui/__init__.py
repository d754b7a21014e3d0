"""A ComfyUI server of one of three generations: queue, history, jobs, files, WebSocket, and one simulated GPU."""

from simulators.comfyui.config import ComfyConfig, RunOrder
from simulators.comfyui.simulator import ComfySimulator

__all__ = ["ComfyConfig", "ComfySimulator", "RunOrder"]
