//! Small pictures in a line of text: a course of numbers, a row of verdicts. Each has a name that says the same in words.

use hil_history::{Seen, trend};
use hil_record::Verdict;
use maud::{Markup, html};

const WIDTH: usize = 120;
const HEIGHT: usize = 24;

/// A course of numbers, the oldest on the left, from nothing up to the largest; and the last one in words.
pub(super) fn line(what: &str, values: &[u64], words: impl Fn(u64) -> String) -> Markup {
    let (Some(&last), Some(&most), Some(&least)) =
        (values.last(), values.iter().max(), values.iter().min())
    else {
        return html! {};
    };
    let change = trend(values).filter(|percent| percent.abs() >= 10);
    let change = change.map_or_else(String::new, |percent| format!(", {percent:+} %"));
    let text = format!("{}{change}", words(last));
    if values.len() < 2 {
        return html! { (text) };
    }
    let name = format!(
        "{what}: {} values from {} to {}, the last {}{change}",
        values.len(),
        words(least),
        words(most),
        words(last)
    );
    let step = (WIDTH - 4) as f64 / (values.len() - 1) as f64;
    let points: Vec<String> = values
        .iter()
        .enumerate()
        .map(|(place, &value)| {
            let high = value as f64 / most.max(1) as f64 * (HEIGHT - 4) as f64;
            format!(
                "{:.1},{:.1}",
                2.0 + place as f64 * step,
                (HEIGHT - 2) as f64 - high
            )
        })
        .collect();
    html! {
        svg class="spark" viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } width=(WIDTH) height=(HEIGHT) role="img" aria-label=(name) {
            polyline class="curve" points=(points.join(" "));
        }
        " " (text)
    }
}

/// A bar for each result, the oldest on the left: the worse, the higher, so that colour is not needed.
pub(super) fn verdicts(seen: &[Seen]) -> Markup {
    let all = [Verdict::Pass, Verdict::Fail, Verdict::Error, Verdict::Skip];
    let counted: Vec<String> = all
        .into_iter()
        .map(|verdict| {
            (
                verdict,
                seen.iter().filter(|one| one.verdict == verdict).count(),
            )
        })
        .filter(|(_, number)| *number > 0)
        .map(|(verdict, number)| format!("{number} {verdict}"))
        .collect();
    if seen.is_empty() {
        return html! {};
    }
    let wide = (WIDTH as f64 / seen.len() as f64).min(8.0);
    html! {
        svg class="spark" viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } width=(WIDTH) height=(HEIGHT) role="img"
            aria-label={ "verdicts: " (counted.join(", ")) } {
            @for (place, one) in seen.iter().enumerate() {
                @let high = match one.verdict {
                    Verdict::Fail => HEIGHT,
                    Verdict::Error => HEIGHT * 2 / 3,
                    Verdict::Pass => HEIGHT / 3,
                    Verdict::Skip => HEIGHT / 8,
                };
                rect class=(one.verdict.word()) x=(format!("{:.1}", place as f64 * wide)) y=(HEIGHT - high)
                    width=(format!("{:.1}", (wide - 0.5).max(0.5))) height=(high) {}
            }
        }
    }
}
