"""PyTorch's own dynamic quantization for CPUs: weights in 8 bits with one scale a layer, inputs rounded to 8 bits as they come."""

from qdash.catalog.needs import Need
from qdash.catalog.scheme import Family, Scheme
from qdash.catalog.sharing import SIGNED, Sharing

PACKED_OBJECTS = "PyTorch keeps these layers in packed objects, for which the safetensors format has no place"


class TorchDynamicFamily(Family):
    """`torch.ao.quantization.quantize_dynamic` on a loaded model."""

    engine = "qdash.engine.schemes.torch_dynamic"
    group = "PyTorch"
    needs = (Need("Choose the device “cpu”.", device="cpu"),)
    uncounted = "PyTorch's packed layers do not count as parameters"

    def sharing(self, scheme: Scheme) -> Sharing:
        """One scale a layer."""
        return Sharing("tensor", SIGNED)

    def unsaveable(self, scheme: Scheme) -> str:
        """Never mind the model."""
        return PACKED_OBJECTS


TORCH_DYNAMIC = TorchDynamicFamily()
