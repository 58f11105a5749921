//! Parameters and optimizers in `.safetensors` files, so that training goes on where it was.

use std::path::Path;

use super::{read_safetensors, write_safetensors};
use crate::optim::params::require_alike;
use crate::optim::{Optimizer, Rule};
use crate::{Device, Params, Result, Tensor};

fn write(path: impl AsRef<Path>, named: &[(String, Tensor)]) -> Result<()> {
    let borrowed: Vec<(&str, &Tensor)> = named.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    write_safetensors(path, &borrowed)
}

impl<R: Rule> Optimizer<R> {
    /// Writes the optimizer's [`state`](Self::state) into a `.safetensors` file.
    ///
    /// # Errors
    ///
    /// As [`state`](Self::state) and [`write_safetensors`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        write(path, &self.state()?)
    }

    /// Reads what [`save`](Self::save) wrote: the optimizer goes on, bit for bit, as the saved one would have.
    ///
    /// # Errors
    ///
    /// As [`read_safetensors`] and [`load_state`](Self::load_state).
    pub fn load(&mut self, path: impl AsRef<Path>) -> Result<()> {
        self.load_state(&read_safetensors(path, &Device::cpu())?)
    }
}

impl Params {
    /// Writes the parameters, by their names, into a `.safetensors` file.
    ///
    /// # Errors
    ///
    /// As [`write_safetensors`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        write_safetensors(path, &self.iter().collect::<Vec<_>>())
    }

    /// Reads the parameters, by their names, from a `.safetensors` file. It may hold others, too.
    ///
    /// ```
    /// use hadamard::{DType, Device, Params, Tensor};
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let path = folder.path().join("model.safetensors");
    /// let w = Tensor::ones([2], DType::F32, &Device::cpu())?;
    /// let params = Params::pack(&[("w", &w)])?;
    /// params.save(&path)?;
    /// params.flat().fill(0)?;
    /// params.load(&path)?;
    /// assert_eq!(params.get("w")?.to_vec::<f32>()?, [1.0, 1.0]);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Tensor::read_safetensors`]; [`Error::Argument`](crate::Error::Argument) if a shape or dtype is not the
    /// parameter's. Then nothing has changed.
    pub fn load(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let read = |(name, own): (&str, &Tensor)| {
            let new = Tensor::read_safetensors(path, name, &own.device())?;
            require_alike("Params::load", &format!("'{name}'"), own, &new)?;
            Ok(new)
        };
        let new = self.iter().map(read).collect::<Result<Vec<_>>>()?;
        self.iter().zip(new).try_for_each(|((_, own), new)| own.assign(new))
    }
}
