//! Numbers and conversions: in which dtype a value is handed to what uses it.

use super::lower::Lowering;
use super::{Id, Step, Value};
use crate::base::dtype::{integers, only_stored};
use crate::expr::cell::Number;
use crate::{DType, Scalar, Shape};

impl Lowering {
    pub(super) fn scalar(&mut self, value: Scalar, dtype: DType) -> Id {
        self.number(Number::Scalar(value), dtype)
    }

    /// How many elements a reduction has of each result. It is the slot of no other number, for of other sizes it is another.
    pub(super) fn count(&mut self, count: usize, of: Id, dtype: DType) -> Id {
        let key = (Some(DType::U64), of as u64, dtype);
        if let Some(&id) = self.numbers.get(&key) {
            return id;
        }
        self.counts.push((self.scalars.len(), of));
        self.scalars.push(Number::Scalar(Scalar::Float(count as f64)));
        let step = Step::Scalar { slot: self.scalars.len() - 1 };
        self.values.push(Value { step, shape: Shape::default(), dtype });
        self.numbers.insert(key, self.values.len() - 1);
        self.values.len() - 1
    }

    pub(super) fn number(&mut self, number: Number, dtype: DType) -> Id {
        // The same number in the same dtype is one slot.
        let (kind, bits) = match &number {
            Number::Scalar(Scalar::Bool(b)) => (Some(DType::Bool), u64::from(*b)),
            Number::Scalar(Scalar::Int(i)) => (Some(DType::I64), *i as u64),
            Number::Scalar(Scalar::Float(x)) => (Some(DType::F32), x.to_bits()),
            Number::Cell(cell) => (None, cell.id()),
        };
        let key = (kind, bits, dtype);
        if let Some(&id) = self.numbers.get(&key) {
            return id;
        }
        self.scalars.push(number);
        let step = Step::Scalar { slot: self.scalars.len() - 1 };
        self.values.push(Value { step, shape: Shape::default(), dtype });
        self.numbers.insert(key, self.values.len() - 1);
        self.values.len() - 1
    }

    /// A cell given a shape: what becomes of its number is worked out as the graph runs. Other values stay.
    pub(super) fn spread(&mut self, id: Id, shape: &Shape) -> Id {
        let Value { step: Step::Scalar { slot }, dtype, .. } = self.values[id] else { return id };
        match self.scalars[slot] {
            Number::Scalar(_) => id,
            Number::Cell(_) => self.push(Step::Convert(id), shape.clone(), dtype),
        }
    }

    /// The number a value is, if it is one that cannot change.
    fn known(&self, id: Id) -> Option<Scalar> {
        match self.values[id].step {
            Step::Scalar { slot } => match self.scalars[slot] {
                Number::Scalar(value) => Some(value),
                Number::Cell(_) => None,
            },
            _ => None,
        }
    }

    pub(super) fn convert(&mut self, id: Id, dtype: DType) -> Id {
        if self.values[id].dtype == dtype {
            return id;
        }
        if let Some(value) = self.known(id) {
            let value = match dtype {
                DType::Bool => Scalar::Bool(value.to_bool()),
                // It ends where the dtype does, as one in memory would.
                DType::I32 => match value {
                    Scalar::Float(value) => Scalar::Int(i64::from(value as i32)),
                    whole => Scalar::Int(whole.to_i64()),
                },
                DType::I64 => Scalar::Int(value.to_i64()),
                DType::F32 | DType::F64 => Scalar::Float(value.to_f64()),
                only_stored!() => {
                    unreachable!("{dtype} is no dtype to compute in")
                }
            };
            return self.scalar(value, dtype);
        }
        // What an i32 became on the way, it became exactly.
        if let Value { step: Step::Convert(from), dtype: DType::I64, .. } = self.values[id]
            && self.values[from].dtype == DType::I32
        {
            return self.convert(from, dtype);
        }
        let shape = self.values[id].shape.clone();
        self.push(Step::Convert(id), shape, dtype)
    }

    /// An integer that may have left the range of `dtype`, back in it, where that is narrower than what it is computed in.
    pub(super) fn wrapped(&mut self, id: Id, dtype: DType) -> Id {
        if dtype.is_narrow_integer() { self.round(dtype, id) } else { id }
    }

    /// A value rounded to what `to` can hold, which is narrower than what it is computed in.
    fn round(&mut self, to: DType, id: Id) -> Id {
        // Numbers stay numbers: they have no shape of their own.
        if let Some(value) = self.known(id) {
            let float = value.to_f64() as f32;
            let value = match to {
                integers!() => Scalar::Int(to.wrap(value.to_i64())),
                DType::F16 => Scalar::Float(half::f16::from_f32(float).to_f64()),
                DType::BF16 => Scalar::Float(half::bf16::from_f32(float).to_f64()),
                DType::Bool | DType::F32 | DType::F64 => return id,
            };
            return self.scalar(value, to.compute());
        }
        let shape = self.values[id].shape.clone();
        self.push(Step::Round(to, id), shape, to.compute())
    }

    /// A cast: conversion to the compute dtype, then rounding to what `dtype` can hold.
    pub(super) fn store_as(&mut self, id: Id, dtype: DType) -> Id {
        let known = self.known(id);
        match (dtype, self.values[id].dtype) {
            (DType::F16 | DType::BF16, DType::F32) => self.round(dtype, id),
            // Straight from f64: by way of f32 it would round twice.
            (DType::F16 | DType::BF16, DType::F64) if known.is_none() => self.round(dtype, id),
            (DType::F16 | DType::BF16 | DType::U8 | DType::I8 | DType::I16 | DType::U16 | DType::U32, _) => {
                let id = self.convert(id, dtype.compute());
                self.round(dtype, id)
            }
            // A number has the digits of an f64; once cast to f32 it has fewer, even where f64 uses it again.
            (DType::F32, _) => match known {
                Some(value) => self.scalar(Scalar::Float((value.to_f64() as f32).into()), DType::F32),
                None => self.convert(id, DType::F32),
            },
            // The bits of a u64; numbers from 2^63 on come as floats.
            (DType::U64, _) => match known {
                Some(Scalar::Float(value)) if value >= 0.0 => self.scalar(Scalar::Int(value as u64 as i64), DType::I64),
                _ => self.convert(id, DType::I64),
            },
            (DType::Bool | DType::I32 | DType::I64 | DType::F64, _) => self.convert(id, dtype.compute()),
        }
    }

    /// What to hand to a store of `dtype`, which does the rounding itself.
    pub(super) fn for_store(&mut self, id: Id, dtype: DType) -> Id {
        match (&self.values[id].step, dtype) {
            (&Step::Round(to, arg), _) if to == dtype => arg,
            (_, DType::F16 | DType::BF16) if self.values[id].dtype == DType::F64 => id,
            _ => self.convert(id, dtype.compute()),
        }
    }
}
