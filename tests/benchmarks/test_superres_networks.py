import pytest

from benchmarks import superres_networks
from zoo import superres


def test_each_network_has_its_row(run_program, capsys):
    run_program(superres_networks, "--width=16", "--height=9", "--dtype_policy=float32")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("x4 of 16 x 9 pixels; float32; ")
    rows = {cells[1].strip(): cells[2:-1] for cells in (line.split("|") for line in lines[4:])}
    assert list(rows) == list(superres.ARCHITECTURES)
    assert float(rows["johnson2016_sr"][3]) == 1.0
    assert rows["srcnn"][0].strip() == "0.02 M"
    # The last convolution takes 2 pixels of border off.
    multiplications = (81 * 3 * 64 + 64 * 32) * 68 * 40 + 25 * 32 * 3 * 64 * 36
    bicubic = 25 * 3 * 48 * 16 * 9
    assert float(rows["srcnn"][1]) == pytest.approx(2e-9 * (multiplications + bicubic), rel=0.02)
