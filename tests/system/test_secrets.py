"""What Hydra shows of a configuration when it is asked to: everything, but no password and no token."""

import pytest

from tests.system.conftest import Run

pytestmark = pytest.mark.system

PASSWORD = "hush-4711"
URL = f"postgresql://me:{PASSWORD}@host/studies"
SHOWN = ["--cfg job", "--cfg hydra", "--cfg all --resolve", "--info all", "--info config", "--help", "--help --resolve"]


@pytest.mark.parametrize("asked", [*SHOWN, "-sc query=bash"])
@pytest.mark.parametrize("kept_in", ["environment", "file"])
def test_nothing_secret_is_shown(
    asked: str, kept_in: str, greenkd: Run, tmp_path_factory: pytest.TempPathFactory
) -> None:
    conf = tmp_path_factory.mktemp("conf")
    (conf / "local").mkdir()
    storage = URL if kept_in == "file" else "${oc.env:GREENKD_STORAGE}"
    settings = (
        f"# @package _global_\nstorage: {storage}\nhydra:\n  job:\n    env_set:\n      TOKEN: ${{oc.env:MY_TOKEN}}\n"
    )
    (conf / "local" / "default.yaml").write_text(settings)

    environment = {"GREENKD_STORAGE": URL, "MY_TOKEN": "tok-0815", "COMP_LINE": "greenkd storage="}
    answer = greenkd(*asked.split(), "--config-dir", str(conf), **environment)
    said = answer.stdout + answer.stderr
    assert answer.returncode == 0, said
    assert PASSWORD not in said
    assert "tok-0815" not in said
    if asked not in ("--cfg hydra",):
        assert "storage" in said  # which is otherwise shown
    if "--resolve" in asked or (kept_in == "file" and asked != "--cfg hydra"):
        assert "postgresql://me:***@host/studies" in said


@pytest.mark.parametrize("asked", ["-m", *SHOWN])
@pytest.mark.parametrize(
    "setting", [f"storage={URL}", f"+storage=postgresql://host/studies?user=me&password={PASSWORD}"]
)
def test_a_typed_password_is_refused_and_not_repeated(asked: str, setting: str, greenkd: Run) -> None:
    answer = greenkd(*asked.split(), setting)
    said = answer.stdout + answer.stderr
    assert answer.returncode == 2, said
    assert "holds a password" in said
    assert PASSWORD not in said
