//! One plot of throughput against size, as SVG: both axes in steps of ten, lines labelled where they end.

use std::fmt::Write;

use crate::table;

/// A line over the same axes as others.
pub(crate) struct Line {
    pub(crate) label: &'static str,
    /// The CSS class that colours it.
    pub(crate) class: &'static str,
    pub(crate) points: Vec<Point>,
    /// Bytes a second that the device's memory allows, drawn dashed.
    pub(crate) limit: Option<f64>,
}

/// Elements, and bytes a second: the median, and the tenth and ninetieth percentiles of the samples.
#[derive(Clone, Copy)]
pub(crate) struct Point {
    pub(crate) numel: f64,
    pub(crate) rate: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 44.0;
const TOP: f64 = 26.0;
const BOTTOM: f64 = 40.0;
/// Labels closer than this to each other cannot be read.
const APART: f64 = 15.0;

/// Maps numbers to places on an axis, logarithmically.
struct Axes {
    x: (f64, f64),
    y: (f64, f64),
}

impl Axes {
    fn around(lines: &[Line]) -> Option<Self> {
        let points = || lines.iter().flat_map(|line| &line.points);
        let least = |f: fn(&Point) -> f64| points().map(f).fold(f64::INFINITY, f64::min);
        let most = |f: fn(&Point) -> f64| points().map(f).fold(0.0, f64::max);
        let highest = lines.iter().filter_map(|line| line.limit).fold(most(|p| p.high), f64::max);
        points().next()?;
        let y = ((least(|p| p.low) * 0.8).log10(), (highest * 1.5).log10());
        let x = (least(|p| p.numel).log10(), most(|p| p.numel).log10());
        // A single size needs an axis of some length, too.
        Some(Self { x: (x.0 - 0.1, x.1 + 0.1), y })
    }

    fn x(&self, numel: f64) -> f64 {
        LEFT + (numel.log10() - self.x.0) / (self.x.1 - self.x.0) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, rate: f64) -> f64 {
        HEIGHT - BOTTOM - (rate.max(1.0).log10() - self.y.0) / (self.y.1 - self.y.0) * (HEIGHT - TOP - BOTTOM)
    }

    /// Round numbers within an axis: powers of ten, and where there are few, twice and five times those.
    fn ticks(range: (f64, f64)) -> Vec<f64> {
        let powers = range.0.floor() as i32..=range.1.floor() as i32;
        let times: &[f64] = if range.1 - range.0 < 2.0 { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let ticks = powers.flat_map(|power| times.iter().map(move |times| times * 10_f64.powi(power)));
        ticks.filter(|tick| (range.0..=range.1).contains(&tick.log10())).collect()
    }
}

/// The plot, or nothing if there are no points. `mark` is a number of elements to point at, and what is there.
pub(crate) fn svg(title: &str, lines: &[Line], mark: Option<(f64, String)>) -> String {
    let Some(axes) = Axes::around(lines) else { return String::new() };
    let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{title}\">\n");
    grid(&mut svg, &axes);
    // Writing to a String cannot fail, here and below.
    if let Some((numel, label)) = mark {
        let x = axes.x(numel);
        let (anchor, dx) = if x < WIDTH / 2.0 { ("start", 4.0) } else { ("end", -4.0) };
        let (bottom, at) = (HEIGHT - BOTTOM, x + dx);
        let _ = writeln!(svg, "<line class=\"mark\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{bottom}\"/>");
        let y = bottom - 6.0;
        let _ = writeln!(svg, "<text class=\"mark\" x=\"{at:.1}\" y=\"{y}\" text-anchor=\"{anchor}\">{label}</text>");
    }
    limits(&mut svg, &axes, lines);
    for line in lines {
        curve(&mut svg, &axes, line);
    }
    ends(&mut svg, &axes, lines);
    svg.push_str("</svg>\n");
    svg
}

fn grid(svg: &mut String, axes: &Axes) {
    let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
    for rate in Axes::ticks(axes.y) {
        let y = axes.y(rate);
        let _ = writeln!(svg, "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>");
        let (x, y) = (LEFT - 8.0, y + 4.0);
        let _ = writeln!(svg, "<text x=\"{x}\" y=\"{y:.1}\" text-anchor=\"end\">{}</text>", table::plain(rate / 1e9));
    }
    for numel in Axes::ticks(axes.x) {
        let x = axes.x(numel);
        let _ = writeln!(svg, "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{bottom}\"/>");
        let y = bottom + 17.0;
        let label = table::count(numel as usize);
        let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\">{label}</text>");
    }
    let (x, y) = (f64::midpoint(LEFT, right), HEIGHT - 6.0);
    let _ = writeln!(svg, "<text class=\"axis\" x=\"{x}\" y=\"{y}\" text-anchor=\"middle\">elements</text>");
    let _ = writeln!(svg, "<text class=\"axis\" x=\"4\" y=\"{}\">GB/s</text>", TOP - 10.0);
}

/// Dashed lines, each with its own name at the left.
fn limits(svg: &mut String, axes: &Axes, lines: &[Line]) {
    let mut labels: Vec<(f64, &Line, f64)> =
        lines.iter().filter_map(|line| Some((axes.y(line.limit?) - 5.0, line, line.limit?))).collect();
    for &(y, line, _) in &labels {
        let (y, right, class) = (y + 5.0, WIDTH - RIGHT, line.class);
        let _ =
            writeln!(svg, "<line class=\"limit {class}\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>");
    }
    labels.sort_by(|a, b| a.0.total_cmp(&b.0));
    let places = spread(labels.iter().map(|label| label.0).collect(), TOP + 4.0);
    for ((_, line, rate), y) in labels.iter().zip(places) {
        let (x, class, label) = (LEFT + 6.0, line.class, line.label);
        let rate = table::plain(rate / 1e9);
        let _ = writeln!(svg, "<text class=\"{class}\" x=\"{x}\" y=\"{y:.1}\">{label} limit, {rate} GB/s</text>");
    }
}

/// A band from the tenth to the ninetieth percentile, the medians, and a tooltip for each point.
fn curve(svg: &mut String, axes: &Axes, line: &Line) {
    let Line { class, points, .. } = line;
    let at = |p: &Point, rate: f64| format!("{:.1},{:.1}", axes.x(p.numel), axes.y(rate));
    let there = points.iter().map(|p| at(p, p.high));
    let back = points.iter().rev().map(|p| at(p, p.low));
    let band: Vec<String> = there.chain(back).collect();
    let _ = writeln!(svg, "<polygon class=\"band {class}\" points=\"{}\"/>", band.join(" "));
    let medians: Vec<String> = points.iter().map(|p| at(p, p.rate)).collect();
    let _ = writeln!(svg, "<polyline class=\"curve {class}\" points=\"{}\"/>", medians.join(" "));
    for p in points {
        let (x, y) = (axes.x(p.numel), axes.y(p.rate));
        let told = [p.rate, p.low, p.high].map(|rate| table::plain(rate / 1e9));
        let _ = writeln!(
            svg,
            "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\"><title>{} elements: {} GB/s ({} to {})</title></circle>",
            table::count(p.numel as usize),
            told[0],
            told[1],
            told[2]
        );
    }
}

/// The name of each line beside its last point.
fn ends(svg: &mut String, axes: &Axes, lines: &[Line]) {
    let last = |line: &Line| line.points.last().copied();
    let mut labels: Vec<(Point, &Line)> = lines.iter().filter_map(|line| Some((last(line)?, line))).collect();
    labels.sort_by(|a, b| axes.y(a.0.rate).total_cmp(&axes.y(b.0.rate)));
    let places = spread(labels.iter().map(|(p, _)| axes.y(p.rate) + 4.0).collect(), TOP);
    for ((point, line), y) in labels.iter().zip(places) {
        let x = axes.x(point.numel) + 8.0;
        let _ = writeln!(svg, "<text class=\"end {}\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>", line.class, line.label);
    }
}

/// Heights from top to bottom, moved so that none is closer than a line of text to the one before.
fn spread(mut heights: Vec<f64>, top: f64) -> Vec<f64> {
    let mut least = top;
    for y in &mut heights {
        *y = y.max(least);
        least = *y + APART;
    }
    heights
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(rates: &[f64]) -> Line {
        let point = |(i, &rate): (usize, &f64)| Point {
            numel: 1e3 * 10_f64.powi(i as i32),
            rate,
            low: rate * 0.9,
            high: rate * 1.1,
        };
        Line { label: "GPU", class: "gpu", points: rates.iter().enumerate().map(point).collect(), limit: Some(2e10) }
    }

    #[test]
    fn everything_lies_within_the_picture() {
        let svg = svg("a*b", &[line(&[1e7, 1e9, 1e10]), line(&[2e9, 5e9, 6e9])], Some((2e4, "here".to_owned())));
        for name in ["x=\"", "x1=\"", "cx=\"", "y=\"", "y1=\"", "cy=\""] {
            for value in svg.split(&format!(" {name}")).skip(1) {
                let value: f64 = value[..value.find('"').expect("an end")].parse().expect("a number");
                assert!((0.0..=WIDTH).contains(&value) && (name.contains('x') || value <= HEIGHT), "{name}{value}");
            }
        }
        assert_eq!(svg.matches("<circle").count(), 6);
    }

    #[test]
    fn labels_do_not_overlap() {
        assert_eq!(spread(vec![10.0, 12.0, 80.0], 0.0), [10.0, 25.0, 80.0]);
        assert_eq!(svg("nothing", &[], None), "");
        assert_eq!(Axes::ticks((0.1, 1.5)), [2.0, 5.0, 10.0, 20.0]);
        assert_eq!(Axes::ticks((2.9, 6.1)), [1e3, 1e4, 1e5, 1e6]);
    }
}
