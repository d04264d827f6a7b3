"""The examples are what their readers take them for."""

from pathlib import Path

import pytest
import yaml

MANIFEST = Path(__file__).parents[1] / "examples" / "kubernetes" / "job.yaml"


def test_the_manifest_holds_to_the_schemas_of_kubernetes() -> None:
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    manifest = yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))
    newest = kubernetes_validate.latest_version()
    assert kubernetes_validate.validate(manifest, newest, strict=True)

    manifest["spec"]["paralelism"] = manifest["spec"].pop("parallelism")
    with pytest.raises(kubernetes_validate.ValidationError, match="paralelism"):
        kubernetes_validate.validate(manifest, newest, strict=True)


def test_a_pod_that_was_refused_does_not_come_again() -> None:
    spec = yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))["spec"]
    by_code = [rule for rule in spec["podFailurePolicy"]["rules"] if "onExitCodes" in rule]
    assert by_code == [{"action": "FailIndex", "onExitCodes": {"operator": "In", "values": [2, 3]}}]
    assert spec["template"]["spec"]["containers"][0]["command"] == ["python", "-m", "greenkd", "worker"]
