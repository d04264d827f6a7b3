# The names are NVML's own.
# ruff: noqa: N801, N802, N818
"""NVML with made-up GPUs of constant watts, as the real module looks to its users.

Environment: FAKE_NVML_WATTS "100,300" (one GPU each); FAKE_NVML_COUNTER "ms" | "coarse" | "missing"; FAKE_NVML_BAD
"1 lost,0 power" (what of which GPU fails: lost, or uuid, name, power, counter, temperature).
"""

import os
import time

_START = time.monotonic()
MIG = "MIG-11111111-0000-0000-0000-000000000000"  # a slice of the second GPU
NVML_TEMPERATURE_GPU = 0
NVML_FI_DEV_POWER_INSTANT = 186


class NVMLError(Exception):
    pass


class NVMLError_NotSupported(NVMLError):
    pass


class NVMLError_LibraryNotFound(NVMLError):
    pass


class NVMLError_GpuIsLost(NVMLError):
    pass


def _try(handle, what):
    bad = os.environ.get("FAKE_NVML_BAD", "").split(",")
    if f"{handle} lost" in bad:
        raise NVMLError_GpuIsLost("GPU is lost")
    if f"{handle} {what}" in bad:
        raise NVMLError_NotSupported("Not Supported")


def _watts():
    return [float(watts) for watts in os.environ.get("FAKE_NVML_WATTS", "100,300").split(",") if watts]


def nvmlInit():
    if not _watts():
        raise NVMLError_LibraryNotFound


def nvmlShutdown():
    pass


def nvmlDeviceGetCount():
    return len(_watts())


def nvmlDeviceGetHandleByIndex(index):
    if not 0 <= index < len(_watts()):
        raise NVMLError("no such index")
    _try(index, "handle")
    return index


def nvmlDeviceGetUUID(handle):
    _try(handle, "uuid")
    return f"GPU-{handle}0000000-aaaa-bbbb-cccc-000000000000"


def nvmlDeviceGetHandleByUUID(uuid):
    if uuid == MIG:
        return "slice"
    for index in range(len(_watts())):
        if f"GPU-{index}0000000-aaaa-bbbb-cccc-000000000000" == uuid:
            _try(index, "uuid")
            return index
    raise NVMLError("no such uuid")


def nvmlDeviceGetDeviceHandleFromMigDeviceHandle(handle):
    assert handle == "slice"
    return 1


def nvmlDeviceGetName(handle):
    _try(handle, "name")
    return f"Fake {handle}"


def nvmlDeviceGetPowerUsage(handle):
    _try(handle, "power")
    return int(_watts()[handle] * 1000)


def nvmlDeviceGetTotalEnergyConsumption(handle):
    _try(handle, "counter")
    kind = os.environ.get("FAKE_NVML_COUNTER", "ms")
    if kind == "missing":
        raise NVMLError_NotSupported
    elapsed = time.monotonic() - _START
    if kind == "coarse":
        elapsed = elapsed // 0.1 * 0.1
    return int((1000 + elapsed * _watts()[handle]) * 1000)


def nvmlDeviceGetTemperature(handle, _sensor):
    _try(handle, "temperature")
    return 40 + handle


class _Memory:
    total, free, used = 2**34, 2**33, 2**33


class _Rates:
    gpu, memory = 50, 10


def nvmlDeviceGetMemoryInfo(handle):
    _try(handle, "memory")
    return _Memory


def nvmlDeviceGetUtilizationRates(_handle):
    return _Rates


def nvmlDeviceGetEnforcedPowerLimit(_handle):
    return 400_000


def nvmlDeviceGetComputeMode(_handle):
    return 0


def nvmlDeviceGetComputeRunningProcesses(_handle):
    return []


def nvmlDeviceGetGraphicsRunningProcesses(_handle):
    return []
