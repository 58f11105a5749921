//! Curves over steps, drawn into a picture: one panel below the other.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use font8x8::legacy::BASIC_LEGACY;
use png::{BitDepth, ColorType, EncodingError};

/// Red, green, blue.
pub(crate) type Colour = [u8; 3];

pub(crate) const RED: Colour = [200, 40, 40];
pub(crate) const GREEN: Colour = [20, 140, 60];
pub(crate) const BLUE: Colour = [40, 80, 200];
pub(crate) const GREY: Colour = [60, 60, 60];
const LIGHT: Colour = [215, 215, 215];
const WHITE: Colour = [255, 255, 255];

/// A panel's place and size, in pixels; letters are twice as large as the font has them.
const SIZE: [i32; 2] = [900, 330];
const LEFT: i32 = 130;
const TOP: i32 = 50;
const GAP: i32 = 70;
const LETTER: i32 = 16;

pub(crate) struct Curve {
    pub(crate) name: &'static str,
    pub(crate) colour: Colour,
    /// One a step, from step 0.
    pub(crate) values: Vec<f64>,
}

pub(crate) struct Panel {
    pub(crate) title: &'static str,
    pub(crate) logarithmic: bool,
    pub(crate) curves: Vec<Curve>,
    /// Values that a dashed line shows.
    pub(crate) marks: Vec<f64>,
}

pub(crate) struct Picture {
    /// Width and height.
    size: [i32; 2],
    /// Row by row.
    pixels: Vec<Colour>,
}

impl Picture {
    fn new(size: [i32; 2], colour: Colour) -> Self {
        Self { size, pixels: vec![colour; (size[0] * size[1]) as usize] }
    }

    /// Writes the picture as a PNG file.
    pub(crate) fn save(&self, path: &Path) -> Result<(), EncodingError> {
        let [width, height] = self.size;
        let mut encoder = png::Encoder::new(BufWriter::new(File::create(path)?), width as u32, height as u32);
        encoder.set_color(ColorType::Rgb);
        encoder.set_depth(BitDepth::Eight);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(self.pixels.as_flattened())?;
        writer.finish()
    }
}

/// The panels over a common axis.
pub(crate) fn draw(panels: &[Panel], axis: &str) -> Picture {
    let [width, height] = SIZE;
    let total = [LEFT + width + 40, TOP + panels.len() as i32 * (height + GAP) + 10];
    let mut image = Picture::new(total, WHITE);
    for (i, panel) in panels.iter().enumerate() {
        panel.draw(&mut image, TOP + i as i32 * (height + GAP));
    }
    text(&mut image, [LEFT + width - LETTER * axis.len() as i32, total[1] - 2 * LETTER], axis, GREY);
    image
}

impl Panel {
    fn draw(&self, image: &mut Picture, top: i32) {
        let [width, height] = SIZE;
        let scale = |value: f64| if self.logarithmic { value.log10() } else { value };
        let values = self.curves.iter().flat_map(|curve| &curve.values).chain(&self.marks);
        let finite = values.map(|&value| scale(value)).filter(|value| value.is_finite());
        let (low, high) = finite.fold((f64::MAX, f64::MIN), |(low, high), x| (low.min(x), high.max(x)));
        let unit = if self.logarithmic { 1.0 } else { 0.1 };
        let (low, high) = ((low / unit).floor() * unit, (high / unit).ceil() * unit);
        let y = |value: f64| top + height - ((value - low) / (high - low) * f64::from(height)).round() as i32;
        let steps = self.curves.iter().map(|curve| curve.values.len()).max().unwrap_or(0).max(2) - 1;
        let x = |step: usize| LEFT + (step as f64 / steps as f64 * f64::from(width)).round() as i32;

        let count = ((high - low) / unit).round() as usize;
        for i in (0..=count).step_by(count.div_ceil(8).max(1)) {
            let value = low + i as f64 * unit;
            line(image, [LEFT, y(value)], [LEFT + width, y(value)], LIGHT);
            let label = if self.logarithmic { format!("1e{value:.0}") } else { format!("{value:.1}") };
            text(image, [LEFT - 12 - LETTER * label.len() as i32, y(value) - LETTER / 2], &label, GREY);
        }
        for step in (0..=steps).step_by((steps / 5).max(1)) {
            line(image, [x(step), top], [x(step), top + height], LIGHT);
            let label = step.to_string();
            text(image, [x(step) - LETTER * label.len() as i32 / 2, top + height + 8], &label, GREY);
        }
        for &mark in &self.marks {
            for dash in (LEFT..LEFT + width).step_by(16) {
                line(image, [dash, y(scale(mark))], [dash + 7, y(scale(mark))], GREY);
            }
        }
        for curve in &self.curves {
            for (step, pair) in curve.values.windows(2).enumerate() {
                let [from, to] = [scale(pair[0]), scale(pair[1])];
                if from.is_finite() && to.is_finite() {
                    // Two pixels thick.
                    for thick in 0..2 {
                        line(image, [x(step), y(from) + thick], [x(step + 1), y(to) + thick], curve.colour);
                    }
                }
            }
        }
        text(image, [LEFT, top - LETTER - 10], self.title, GREY);
        let mut at = LEFT + LETTER * (self.title.len() as i32 + 3);
        for curve in &self.curves {
            text(image, [at, top - LETTER - 10], curve.name, curve.colour);
            at += LETTER * (curve.name.len() as i32 + 2);
        }
    }
}

fn dot(image: &mut Picture, [x, y]: [i32; 2], colour: Colour) {
    let [width, height] = image.size;
    if (0..width).contains(&x) && (0..height).contains(&y) {
        image.pixels[(y * width + x) as usize] = colour;
    }
}

fn line(image: &mut Picture, from: [i32; 2], to: [i32; 2], colour: Colour) {
    let (dx, dy) = (to[0] - from[0], to[1] - from[1]);
    let steps = dx.abs().max(dy.abs()).max(1);
    for i in 0..=steps {
        dot(image, [from[0] + dx * i / steps, from[1] + dy * i / steps], colour);
    }
}

fn text(image: &mut Picture, [x, y]: [i32; 2], text: &str, colour: Colour) {
    for (i, letter) in text.bytes().enumerate() {
        for (row, bits) in BASIC_LEGACY[usize::from(letter) % 128].into_iter().enumerate() {
            for column in (0..8).filter(|column| bits >> column & 1 == 1) {
                let corner = [x + LETTER * i as i32 + 2 * column, y + 2 * row as i32];
                for [dx, dy] in [[0, 0], [0, 1], [1, 0], [1, 1]] {
                    dot(image, [corner[0] + dx, corner[1] + dy], colour);
                }
            }
        }
    }
}
