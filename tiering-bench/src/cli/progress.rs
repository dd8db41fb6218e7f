//! A progress line on stderr.

use std::cell::RefCell;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::driver::{Length, Observation};
use crate::measure::run::Watcher;
use crate::units::{format_count, format_us};

/// Steps of a bar that shows time.
const STEPS_PER_SECOND: f64 = 10.0;

/// Shows the phase that is running, how far it is, and what the last interval was like.
pub(super) struct Progress {
    is_quiet: bool,
    bar: RefCell<Option<(ProgressBar, Length)>>,
}

impl Progress {
    pub(super) fn new(is_quiet: bool) -> Self {
        Self { is_quiet, bar: RefCell::new(None) }
    }
}

impl Watcher for Progress {
    fn phase(&self, label: &str, phase: &str, length: Length) {
        if self.is_quiet {
            return;
        }
        let steps = match length {
            Length::Requests(requests) => requests,
            Length::Seconds(seconds) => (seconds * STEPS_PER_SECOND) as u64,
        };
        let style = ProgressStyle::with_template("{prefix:<32} {bar:30} {percent:>3} %  {msg}")
            .expect("a constant template");
        let bar = ProgressBar::new(steps).with_style(style).with_prefix(format!("{label}: {phase}"));
        bar.enable_steady_tick(Duration::from_millis(250));
        *self.bar.borrow_mut() = Some((bar, length));
    }

    fn observed(&self, observation: &Observation<'_>) {
        if let Some((bar, length)) = &*self.bar.borrow() {
            match length {
                Length::Requests(_) => bar.inc(observation.interval.answered),
                Length::Seconds(_) => bar.set_position((observation.at_s * STEPS_PER_SECOND) as u64),
            }
            let rate = observation.interval.answered as f64 / observation.length_s.max(1e-3);
            let p99_us = observation.interval.latency.value_at_percentile(99.0) as f64 / 1e3;
            let refused = match observation.interval.refused {
                0 => String::new(),
                refused => format!("  {refused} refused"),
            };
            bar.set_message(format!("{}/s  p99 {} us{refused}", format_count(rate), format_us(p99_us)));
        }
    }

    fn finished(&self) {
        if let Some((bar, _)) = self.bar.borrow_mut().take() {
            bar.finish_and_clear();
        }
    }
}
