//! The frontier as a picture: calls a month against the median delay, a panel for each home.

use std::fmt::Write as _;

use super::HomeResult;
use super::settings::Family;

const PANEL_W: f64 = 380.0;
const PANEL_H: f64 = 260.0;
const LEFT: f64 = 52.0;
const TOP: f64 = 30.0;
const RIGHT: f64 = 14.0;
const BOTTOM: f64 = 40.0;
/// The target: at most one call a month at a median delay of five hours.
const TARGET: (f64, f64) = (5.0, 1.0);
const CALLS_TOP: f64 = 32.0;

/// The picture.
pub fn svg(results: &[HomeResult]) -> String {
    let columns = results.len().clamp(1, 2);
    let rows = results.len().div_ceil(columns).max(1);
    let (width, height) = (columns as f64 * PANEL_W, rows as f64 * PANEL_H + 26.0);
    let mut out = String::new();
    let _ = write!(
        out,
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11">
<style>.axis{{stroke:#555;fill:none}}.grid{{stroke:#ddd}}.learned{{stroke:#1761a0;fill:#1761a0}}.beyond{{stroke:#7b3294;fill:#7b3294}}.eager{{stroke:#1b9e77;fill:#1b9e77}}.calm{{stroke:#e7298a;fill:#e7298a}}.plain{{stroke:#b2182b;fill:#b2182b}}.unlearned{{stroke:#d98200;fill:#d98200}}path{{fill:none!important;stroke-width:1.5}}text{{fill:#222;stroke:none}}</style>
<rect width="{width}" height="{height}" fill="#fff"/>
"##
    );
    let hours_top = results.iter().map(hours_top).fold(12.0, f64::max);
    for (i, result) in results.iter().enumerate() {
        let (x, y) = ((i % columns) as f64 * PANEL_W, (i / columns) as f64 * PANEL_H);
        let _ = write!(out, r#"<g transform="translate({x} {y})">"#);
        panel(&mut out, result, hours_top);
        out.push_str("</g>\n");
    }
    legend(&mut out, rows as f64 * PANEL_H + 14.0);
    out.push_str("</svg>\n");
    out
}

fn hours_top(result: &HomeResult) -> f64 {
    let medians = result.rows.iter().filter_map(|(_, measured)| measured.delay_hours(0.5));
    medians.filter(|hours| hours.is_finite()).fold(0.0_f64, f64::max).ceil().min(24.0)
}

fn panel(out: &mut String, result: &HomeResult, hours_top: f64) {
    let (w, h) = (PANEL_W - LEFT - RIGHT, PANEL_H - TOP - BOTTOM);
    let x = |hours: f64| LEFT + hours.min(hours_top) / hours_top * w;
    // Square roots, so that nought, one and thirty can all be told apart.
    let y = |calls: f64| TOP + h - calls.min(CALLS_TOP).sqrt() / CALLS_TOP.sqrt() * h;
    let _ = writeln!(out, r#"<text x="{LEFT}" y="18" font-weight="bold">{}</text>"#, escape(&result.home));
    for calls in [0.0, 1.0, 5.0, 10.0, 20.0, 30.0] {
        let at = y(calls);
        let _ = writeln!(
            out,
            r#"<line class="grid" x1="{LEFT}" x2="{:.1}" y1="{at:.1}" y2="{at:.1}"/><text x="{:.1}" y="{:.1}" text-anchor="end">{calls}</text>"#,
            LEFT + w,
            LEFT - 5.0,
            at + 4.0
        );
    }
    let mut hours = 0.0;
    while hours <= hours_top {
        let at = x(hours);
        let _ = writeln!(
            out,
            r#"<line class="grid" x1="{at:.1}" x2="{at:.1}" y1="{TOP}" y2="{:.1}"/><text x="{at:.1}" y="{:.1}" text-anchor="middle">{hours}</text>"#,
            TOP + h,
            TOP + h + 14.0
        );
        hours += 2.0;
    }
    let (target_x, target_y) = (x(TARGET.0), y(TARGET.1));
    let _ = writeln!(
        out,
        r##"<rect x="{LEFT}" y="{target_y:.1}" width="{:.1}" height="{:.1}" fill="#2a9d5c" opacity=".18"/>"##,
        target_x - LEFT,
        TOP + h - target_y
    );
    for (family, class) in
        [(Family::Learned, "learned"), (Family::Eager, "eager"), (Family::Calm, "calm"), (Family::Patient, "beyond")]
    {
        let mut points = points(result, family);
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let path: Vec<String> =
            points.iter().map(|(hours, calls)| format!("{:.1} {:.1}", x(*hours), y(*calls))).collect();
        // The patient rows differ in more than their budget: no line joins them.
        if !path.is_empty() && family != Family::Patient {
            let _ = writeln!(out, r#"<path class="{class}" d="M{}"/>"#, path.join(" L"));
        }
        for (hours, calls) in points {
            let _ = writeln!(out, r#"<circle class="{class}" cx="{:.1}" cy="{:.1}" r="3"/>"#, x(hours), y(calls));
        }
    }
    for (family, class) in [(Family::Plain, "plain"), (Family::Unlearned, "unlearned")] {
        for (hours, calls) in points(result, family) {
            let _ = writeln!(
                out,
                r#"<rect class="{class}" x="{:.1}" y="{:.1}" width="7" height="7"/>"#,
                x(hours) - 3.5,
                y(calls) - 3.5
            );
        }
    }
    for (hours, calls) in points(result, Family::Configured) {
        let _ = writeln!(
            out,
            r#"<circle class="learned" cx="{:.1}" cy="{:.1}" r="6.5" style="fill:none;stroke-width:2"/>"#,
            x(hours),
            y(calls)
        );
    }
    let _ = writeln!(
        out,
        r#"<text x="{:.1}" y="{:.1}" text-anchor="middle">median delay, h</text><text x="13" y="{:.1}" transform="rotate(-90 13 {:.1})" text-anchor="middle">calls a month</text>"#,
        LEFT + w / 2.0,
        TOP + h + 30.0,
        TOP + h / 2.0,
        TOP + h / 2.0
    );
}

fn points(result: &HomeResult, family: Family) -> Vec<(f64, f64)> {
    let rows = result.rows.iter().filter(|(setting, _)| setting.family == family);
    rows.filter_map(|(_, measured)| {
        let hours = measured.delay_hours(0.5).filter(|hours| hours.is_finite())?;
        Some((hours, measured.calls_a_month(result.counted_days)))
    })
    .collect()
}

fn legend(out: &mut String, y: f64) {
    let entries = [
        ("learned", "learned, by budget (ring: as configured)"),
        ("eager", "eager from 2 h"),
        ("calm", "calm"),
        ("beyond", "patient"),
        ("unlearned", "8 h, out 4 h or 21:00"),
        ("plain", "fixed 8 h, 12 h"),
    ];
    let mut x = LEFT;
    for (class, text) in entries {
        let _ = writeln!(
            out,
            r#"<rect class="{class}" x="{x}" y="{:.1}" width="9" height="9"/><text x="{:.1}" y="{:.1}">{text}</text>"#,
            y - 8.0,
            x + 13.0,
            y
        );
        x += 26.0 + text.len() as f64 * 5.6;
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
