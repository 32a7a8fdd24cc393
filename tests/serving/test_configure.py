from serving.configure import models_config
from serving.embedded import model_config
from zoo import catalog


def test_the_server_reads_what_configure_writes(tiny_model, tmp_path):
    file = tmp_path / "models.config"
    file.write_text(models_config(catalog.models(tiny_model.parents[1])))
    (served,) = model_config.read(str(file))
    assert served.name == "tiny"
    assert served.base_path == str(tiny_model.parent)
