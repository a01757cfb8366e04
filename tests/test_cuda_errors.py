"""CUDA's error numbers are those of its header."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from fpsde.cuda_errors import LOST, REFUSED, CudaError


def test_no_number_is_of_two_kinds_and_each_is_of_one():
    alone = {CudaError.MemoryAllocation, CudaError.InitializationError, CudaError.NoDevice}
    assert not REFUSED & LOST and not alone & (REFUSED | LOST)
    assert alone | REFUSED | LOST == set(CudaError)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("nvcc") is None, reason="the headers of CUDA are needed")
def test_names_and_numbers_are_those_of_the_headers(tmp_path):
    file = tmp_path / "both.cu"
    file.write_text("#include <driver_types.h>\n#include <cuda.h>\n")
    text = subprocess.run(["nvcc", "-E", str(file)], check=True, capture_output=True, text=True).stdout
    runtime = {name: int(number) for name, number in re.findall(r"cudaError(\w+)\s*=\s*(\d+)", text)}
    assert {one.name: one.value for one in CudaError} == {one.name: runtime[one.name] for one in CudaError}
    driver = {int(number) for number in re.findall(r"CUDA_ERROR_\w+\s*=\s*(\d+)", text)}
    assert {one for one in CudaError if one not in driver} == {
        CudaError.InvalidConfiguration, CudaError.InvalidDeviceFunction
    }  # fmt: skip
