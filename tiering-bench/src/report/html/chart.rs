//! Line and bar charts as inline SVG.
//!
//! Colours and fonts come from the page's style sheet by class, so a chart follows the page into dark mode. Points
//! and bars carry a `<title>`, which a browser shows when the pointer rests on them.

use std::fmt::Write;

use super::escape;
use super::scale::Scale;

/// Size of a line chart, in the units of its view box; the page scales it to its column.
const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 300.0;

/// Room for tick labels.
const LEFT: f64 = 64.0;
const RIGHT: f64 = 26.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 44.0;

/// Most points of a line: a longer one is thinned out, keeping the extremes.
const MAX_POINTS: usize = 400;

/// A number of the palette in the style sheet.
pub(super) type Color = usize;

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Series {
    pub(super) name: String,
    pub(super) color: Color,
    pub(super) points: Vec<(f64, f64)>,
}

/// Lines over two axes.
#[derive(Clone, Debug)]
pub(super) struct LineChart {
    pub(super) title: String,
    pub(super) x_label: String,
    pub(super) x: Scale,
    pub(super) x_text: fn(f64) -> String,
    pub(super) y: Scale,
    pub(super) y_text: fn(f64) -> String,
    pub(super) series: Vec<Series>,
}

impl LineChart {
    pub(super) fn render(&self) -> String {
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        let x = |value: f64| LEFT + self.x.place(value) * (right - LEFT);
        let y = |value: f64| bottom - self.y.place(value) * (bottom - TOP);
        let mut svg = format!(
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">\n",
            escape(&self.title)
        );
        for tick in self.y.ticks() {
            let at = y(tick);
            let _ = writeln!(
                svg,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
                 <text class=\"tick\" text-anchor=\"end\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                LEFT - 8.0,
                at + 4.0,
                escape(&(self.y_text)(tick))
            );
        }
        for tick in self.x.ticks() {
            let at = x(tick);
            let _ = writeln!(
                svg,
                "<line class=\"grid\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{TOP}\" y2=\"{bottom}\"/>\
                 <text class=\"tick\" text-anchor=\"middle\" x=\"{at:.1}\" y=\"{:.1}\">{}</text>",
                bottom + 18.0,
                escape(&(self.x_text)(tick))
            );
        }
        let _ = writeln!(
            svg,
            "<line class=\"axis\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{bottom}\" y2=\"{bottom}\"/>\
             <text class=\"label\" text-anchor=\"middle\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            (LEFT + right) / 2.0,
            HEIGHT - 6.0,
            escape(&self.x_label)
        );
        for series in &self.series {
            let points = thin_out(&series.points);
            let path: Vec<String> = points.iter().map(|&(a, b)| format!("{:.1},{:.1}", x(a), y(b))).collect();
            let color = series.color;
            let _ = writeln!(svg, "<polyline class=\"line c{color}\" points=\"{}\"/>", path.join(" "));
            for &(a, b) in &points {
                let _ = write!(
                    svg,
                    "<circle class=\"dot c{color}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"6\"><title>{}: {} at {}</title></circle>",
                    x(a),
                    y(b),
                    escape(&series.name),
                    escape(&(self.y_text)(b)),
                    escape(&(self.x_text)(a))
                );
            }
        }
        svg += "\n</svg>\n";
        let legend: Vec<(&str, Color)> = self.series.iter().map(|s| (s.name.as_str(), s.color)).collect();
        figure(&self.title, &legend, &svg)
    }
}

/// One bar: parts on top of each other, and their sum in words.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Bar {
    pub(super) name: String,
    pub(super) color: Color,
    /// The first part is drawn in the full colour, the second lighter.
    pub(super) parts: Vec<f64>,
    pub(super) text: String,
}

/// Groups of horizontal bars.
#[derive(Clone, Debug)]
pub(super) struct BarChart {
    pub(super) title: String,
    pub(super) groups: Vec<(String, Vec<Bar>)>,
    /// What the parts of a bar are, if there are two.
    pub(super) part_names: Option<(&'static str, &'static str)>,
}

const BAR_HEIGHT: f64 = 17.0;
const BAR_GAP: f64 = 5.0;
const GROUP_GAP: f64 = 14.0;
const GROUP_TITLE: f64 = 18.0;
const BAR_LEFT: f64 = 132.0;
const BAR_RIGHT: f64 = 110.0;

impl BarChart {
    pub(super) fn render(&self) -> String {
        let bars = self.groups.iter().flat_map(|(_, bars)| bars);
        let longest =
            bars.map(|bar| bar.parts.iter().sum::<f64>()).fold(0.0, f64::max).max(f64::MIN_POSITIVE);
        let scale = (WIDTH - BAR_LEFT - BAR_RIGHT) / longest;
        let mut body = String::new();
        let mut top = 4.0;
        for (title, bars) in &self.groups {
            if !title.is_empty() {
                let _ = writeln!(
                    body,
                    "<text class=\"group\" x=\"0\" y=\"{:.1}\">{}</text>",
                    top + 12.0,
                    escape(title)
                );
                top += GROUP_TITLE;
            }
            for bar in bars {
                body += &render_bar(bar, top, scale);
                top += BAR_HEIGHT + BAR_GAP;
            }
            top += GROUP_GAP;
        }
        let height = (top - GROUP_GAP).max(BAR_HEIGHT);
        let svg = format!(
            "<svg viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" aria-label=\"{}\">\n{body}</svg>\n",
            escape(&self.title)
        );
        let title = match self.part_names {
            Some((dark, light)) => format!("{} ({dark}, and {light} in the lighter shade)", self.title),
            None => self.title.clone(),
        };
        figure(&title, &[], &svg)
    }
}

fn render_bar(bar: &Bar, top: f64, scale: f64) -> String {
    let middle = top + BAR_HEIGHT / 2.0 + 4.0;
    let mut svg = format!(
        "<text class=\"name\" text-anchor=\"end\" x=\"{:.1}\" y=\"{middle:.1}\">{}</text>",
        BAR_LEFT - 8.0,
        escape(&bar.name)
    );
    let mut left = BAR_LEFT;
    for (part, value) in bar.parts.iter().enumerate() {
        let width = value * scale;
        let _ = write!(
            svg,
            "<rect class=\"bar part{part} c{}\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" \
             height=\"{BAR_HEIGHT}\"><title>{}: {}</title></rect>",
            bar.color,
            escape(&bar.name),
            escape(&bar.text)
        );
        left += width;
    }
    let _ = writeln!(
        svg,
        "<text class=\"value\" x=\"{:.1}\" y=\"{middle:.1}\">{}</text>",
        left + 6.0,
        escape(&bar.text)
    );
    svg
}

fn figure(title: &str, legend: &[(&str, Color)], svg: &str) -> String {
    let mut html = format!("<figure>\n<figcaption>{}", escape(title));
    if !legend.is_empty() {
        html += "<span class=\"legend\">";
        for (name, color) in legend {
            let _ = write!(html, "<span><i class=\"c{color}\"></i>{}</span>", escape(name));
        }
        html += "</span>";
    }
    let _ = writeln!(html, "</figcaption>\n{svg}</figure>");
    html
}

/// At most [`MAX_POINTS`] points: of each run of neighbours the highest.
fn thin_out(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let run = points.len().div_ceil(MAX_POINTS).max(1);
    points.chunks(run).filter_map(|chunk| chunk.iter().copied().max_by(|a, b| a.1.total_cmp(&b.1))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_thinned_out_and_keeps_its_highest_point() {
        let mut points: Vec<(f64, f64)> = (0..10_000).map(|i| (f64::from(i), 1.0)).collect();
        points[5_003].1 = 99.0;
        let thin = thin_out(&points);
        assert!(thin.len() <= MAX_POINTS && thin.iter().any(|point| point.1 == 99.0));
        assert_eq!(thin_out(&points[..3]).len(), 3);
    }

    #[test]
    fn bars_are_as_long_as_their_parts() {
        let bar = |name: &str, parts: &[f64]| Bar {
            name: name.to_owned(),
            color: 0,
            parts: parts.to_vec(),
            text: String::new(),
        };
        let chart = BarChart {
            title: "t".to_owned(),
            groups: vec![(String::new(), vec![bar("a", &[1.0, 1.0]), bar("b", &[4.0])])],
            part_names: None,
        };
        let full = WIDTH - BAR_LEFT - BAR_RIGHT;
        let html = chart.render();
        assert!(html.contains(&format!("width=\"{full:.1}\"")), "{html}");
        assert_eq!(html.matches(&format!("width=\"{:.1}\"", full / 4.0)).count(), 2, "{html}");
    }

    #[test]
    fn names_are_escaped() {
        let chart = LineChart {
            title: "a < b".to_owned(),
            x_label: String::new(),
            x: Scale::Linear(1.0),
            x_text: |v| v.to_string(),
            y: Scale::Linear(1.0),
            y_text: |v| v.to_string(),
            series: vec![Series { name: "<script>".to_owned(), color: 0, points: vec![(0.5, 0.5)] }],
        };
        let html = chart.render();
        assert!(html.contains("a &lt; b") && !html.contains("<script>"), "{html}");
    }
}
