"""Run a signature of a TFLite file once: big-endian floats in and, behind their number, out.

python answer.py FILE SIGNATURE INPUTS OUTPUTS
"""

import struct
import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter

file, signature, inputs, outputs = sys.argv[1:]
runner = Interpreter(file).get_signature_runner(signature)
details = runner.get_input_details()
values = {}
for name in inputs.split(","):
    shape = details[name]["shape"]
    floats = np.frombuffer(sys.stdin.buffer.read(4 * np.prod(shape)), ">f4")
    values[name] = floats.astype(np.float32).reshape(shape)
answer = runner(**values)
for name in outputs.split(","):
    sys.stdout.buffer.write(
        struct.pack(">i", answer[name].size) + answer[name].astype(">f4").tobytes()
    )
