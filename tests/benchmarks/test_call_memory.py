from benchmarks import call_memory


def test_each_size_has_a_row_with_what_its_call_took(run_program, tiny_model, capsys):
    run_program(call_memory, f"--model={tiny_model}", "--sides=1024")
    (row,) = capsys.readouterr().out.splitlines()[2:]
    name, call, process = row.strip("| ").split(" | ")
    assert name == "1024x1024"
    # The image itself in float32 is 0.012 GiB.
    assert 0.01 < float(call) < float(process)
