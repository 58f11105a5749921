//! Devices as futures, for programs in which nothing may wait: pages, and event loops.

use crate::{Device, Result};
#[cfg(all(feature = "gpu", target_arch = "wasm32"))]
use crate::{Error, cpu, gpu};

#[cfg_attr(
    not(all(feature = "gpu", target_arch = "wasm32")),
    allow(clippy::unused_async, reason = "only in a browser is there something to wait for")
)]
impl Device {
    /// The device to use when nothing else is said, as [`best`](Self::best): a GPU, or else the CPU. In a browser this is
    /// the way to one: a GPU through WebGPU where the page has it, and the CPU path on one thread where it has not, in an
    /// insecure page or an old browser.
    ///
    /// ```
    /// use hadamard::{Device, Tensor};
    /// # async fn page() -> hadamard::Result<()> {
    /// let device = Device::request().await?;
    /// let x = Tensor::from_slice(&[1.0_f32, 2.0, 3.0], [3], &device)?;
    /// assert_eq!((&x * &x).sum(..).eval()?.item_async::<f32>().await?, 14.0);
    /// # Ok(())
    /// # }
    /// # pollster::block_on(page())?;
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`best`](Self::best). In a browser none, but without the feature `cpu` [`Error::NoDevice`](crate::Error::NoDevice)
    /// where there is no GPU, and what the GPU reports that does not open.
    pub async fn request() -> Result<Self> {
        #[cfg(all(feature = "gpu", target_arch = "wasm32"))]
        return match gpu::request("gpu", false).await {
            Ok(context) => Ok(Self::on_gpu(context)),
            Err(error) if !cpu::EVALUATES => Err(error),
            Err(Error::NoDevice { .. }) => Ok(Self::cpu()),
            Err(error) => {
                log::warn!("the CPU is used: {error}");
                Ok(Self::cpu())
            }
        };
        #[cfg(not(all(feature = "gpu", target_arch = "wasm32")))]
        Self::best()
    }

    /// The device a name stands for, as [`named`](Self::named) finds it. In a browser `gpu` is what the browser offers,
    /// a software adapter too, and any other name but `cpu` must be part of its name.
    ///
    /// # Errors
    ///
    /// [`Error::NoDevice`](crate::Error::NoDevice) if nothing matches, and what the device reports.
    pub async fn request_named(name: &str) -> Result<Self> {
        #[cfg(all(feature = "gpu", target_arch = "wasm32"))]
        {
            let wanted = name.trim().to_ascii_lowercase();
            if wanted == "cpu" {
                return Ok(Self::cpu());
            }
            let device = Self::on_gpu(gpu::request(name, true).await?);
            if wanted == "gpu" || !wanted.is_empty() && device.to_string().to_ascii_lowercase().contains(&wanted) {
                return Ok(device);
            }
            return Err(Error::NoDevice { wanted: name.to_owned(), available: vec!["cpu".into(), device.to_string()] });
        }
        #[cfg(not(all(feature = "gpu", target_arch = "wasm32")))]
        Self::named(name)
    }

    /// Hands all recorded work to the device, and is done when that is: [`synchronize`](Self::synchronize) as a future.
    /// In a browser errors of the work reach the first future that is awaited after it, this or a read.
    ///
    /// # Errors
    ///
    /// What the device reports.
    pub async fn synchronize_async(&self) -> Result<()> {
        self.backend().synchronize_async("synchronize_async").await
    }
}
