"""Arrays in a Zarr store, by Dask and by xarray: opened lazily, evaluated chunk by chunk, written back.

pip install zarr xarray
python examples/zarr_input.py
"""

import tempfile
from pathlib import Path

import dask.array as da
import numpy as np
import xarray as xr
import zarr

from hadamard.dask import evaluate


def main():
    random = np.random.default_rng(0)
    # Months of temperature at places, and how much area each place stands for.
    temperature = random.normal(15, 8, (120, 90, 180)).astype("f4")
    latitude = np.linspace(-89, 89, 90, dtype="f4")
    with tempfile.TemporaryDirectory() as directory:
        path = str(Path(directory) / "climate.zarr")
        dataset = xr.Dataset(
            {"temperature": (("time", "lat", "lon"), temperature)}, coords={"lat": latitude, "lon": np.arange(180, dtype="f4")}
        )
        dataset.chunk({"time": 12, "lat": 45, "lon": 180}).to_zarr(path, consolidated=False)

        print("by Dask, from the store")
        t = da.from_zarr(path, component="temperature")
        area = np.cos(np.deg2rad(latitude))[:, None]
        mean = evaluate("sum(t * area, (1, 2)) / (sum(area) * n)", t=t, area=area, n=180)
        print(f"  {mean}")
        want = (temperature * area).sum((1, 2), dtype="f8") / (area.sum(dtype="f8") * 180)
        np.testing.assert_allclose(mean.compute(), want, rtol=1e-5)

        print("by Zarr, an array as it is: its chunks are the blocks")
        array = zarr.open_group(path, mode="r")["temperature"]
        hottest = evaluate("amax(t, 0)", t=array)
        print(f"  {hottest}")
        np.testing.assert_array_equal(hottest.compute(), temperature.max(0))

        print("by xarray, with its names of dims")
        opened = xr.open_zarr(path, consolidated=False)

        def anomaly(t):
            return evaluate("(t - mean(t, 0)) / std(t, 0)", t=t)

        scaled = xr.apply_ufunc(anomaly, opened.temperature, dask="allowed", keep_attrs=True)
        print(f"  {dict(scaled.sizes)}, {scaled.data}")
        want = (temperature - temperature.mean(0)) / temperature.std(0, ddof=1)
        np.testing.assert_allclose(scaled.values, want, rtol=1e-3, atol=1e-4)

        print("written back")
        scaled.to_dataset(name="anomaly").drop_encoding().to_zarr(str(Path(directory) / "anomaly.zarr"), consolidated=False)
        again = xr.open_zarr(str(Path(directory) / "anomaly.zarr"), consolidated=False).anomaly
        np.testing.assert_array_equal(again.values, scaled.values)
        print("all answers are right")


if __name__ == "__main__":
    main()
