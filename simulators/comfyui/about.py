"""What a server says about itself: version, memory, node classes, model files."""

from simulators.comfyui.core import Core
from simulators.comfyui.sockets import FEATURES
from simulators.comfyui.words import plain
from simulators.desk import Call
from simulators.wire import Answer, json_answer

RAM = 64 * 1024**3


class About:
    """GET /system_stats, /object_info, /models, /features."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def system_stats(self, call: Call) -> Answer:
        config = self._core.config
        used = config.vram // 2 if self._core.memory.models else 0
        devices = [
            {
                "name": name,
                "type": name.partition(":")[0],
                "index": number,
                "vram_total": config.vram,
                "vram_free": config.vram - used,
                "torch_vram_total": used,
                "torch_vram_free": 0,
            }
            for number, name in enumerate(config.devices)
        ]
        system = {
            "os": "posix",
            "ram_total": RAM,
            "ram_free": RAM // 2,
            "comfyui_version": config.version,
            "python_version": "3.12.3",
            "pytorch_version": "2.8.0+simulated",
            "embedded_python": False,
            "argv": ["main.py", "--listen"],
        }
        return json_answer({"system": system, "devices": devices})

    async def object_info(self, call: Call) -> Answer:
        return json_answer(self._core.schema.classes())

    async def object_info_of(self, call: Call) -> Answer:
        name = call.part("name")
        return json_answer({name: self._core.schema.node(name)} if self._core.schema.has(name) else {})

    async def model_folders(self, call: Call) -> Answer:
        return json_answer(self._core.schema.folders())

    async def models(self, call: Call) -> Answer:
        folder = call.part("folder")
        return json_answer(self._core.schema.folder(folder)) if folder in self._core.schema.folders() else plain(404)

    async def features(self, call: Call) -> Answer:
        return json_answer(FEATURES)
