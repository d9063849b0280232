//! The commands of a one-channel bench supply and of a finger on the DK's buttons, as text in and text out.
//!
//! A subset of SCPI-1999 as such supplies have it: long and short forms, any case, several commands on a line
//! separated by `;`. Errors go to a queue that `SYST:ERR?` reads. `BUTTon1[:STATe] ON` to `BUTTon4` press a button of the
//! board until `OFF`, as a relay across it would; `BUTTon1[:STATe]?` asks.

use super::faults::Fault;
use crate::chip::{Button, Power};
use std::collections::VecDeque;

/// Errors kept; the oldest stay, the last becomes -350 as the standard says.
const QUEUE_LENGTH: usize = 10;
/// What the supply is set to, in volts: the DK's battery input.
const VOLTS: f64 = 5.0;

/// What a supply drives and measures.
pub(crate) trait Output {
    fn power(&self) -> Power;
    fn set_power(&self, power: Power);
    fn button(&self, button: Button) -> bool;
    fn set_button(&self, button: Button, pressed: bool);
    /// Begins or ends something that is wrong around the board.
    fn set_fault(&self, fault: Fault, wrong: bool);
    /// In amperes; `None` where none can be measured.
    fn current(&self) -> Option<f64>;
}

/// One client's session with the supply.
#[derive(Debug, Default)]
pub(crate) struct Session {
    errors: VecDeque<(i32, &'static str)>,
}

impl Session {
    /// Carries out one line and gives the answer to its queries, without the line's end; `None` when it had
    /// none.
    pub(crate) fn line(
        &mut self,
        line: &str,
        output: &impl Output,
        identity: &str,
    ) -> Option<String> {
        let answers: Vec<String> = line
            .split(';')
            .map(str::trim)
            .filter(|command| !command.is_empty())
            .filter_map(|command| self.command(command, output, identity))
            .collect();
        (!answers.is_empty()).then(|| answers.join(";"))
    }

    /// A line that was too long to keep.
    pub(crate) fn overrun(&mut self) {
        self.fail(-363, "Input buffer overrun");
    }

    fn command(&mut self, command: &str, output: &impl Output, identity: &str) -> Option<String> {
        let (header, argument) = match command.split_once(char::is_whitespace) {
            Some((header, argument)) => (header, argument.trim()),
            None => (command, ""),
        };
        let header = header.to_ascii_uppercase();
        let header = header.strip_prefix(':').unwrap_or(&header);
        let words: Vec<&str> = header.split(':').collect();
        let is_query = header.ends_with('?');
        if is_query && !argument.is_empty() {
            self.fail(-108, "Parameter not allowed");
            return None;
        }
        if let Some(number) = button_number(&words) {
            return self.button(number, is_query, argument, output);
        }
        match words[..] {
            ["*IDN?"] => Some(identity.to_owned()),
            ["*CLS"] => {
                self.errors.clear();
                None
            }
            ["*RST"] => {
                output.set_power(Power::Off);
                None
            }
            ["*OPC?"] => Some("1".to_owned()),
            ["OUTP" | "OUTPUT"] | ["OUTP" | "OUTPUT", "STAT" | "STATE"] => {
                match self.boolean(argument) {
                    Some(true) => output.set_power(Power::On),
                    Some(false) => output.set_power(Power::Off),
                    None => {}
                }
                None
            }
            ["OUTP?" | "OUTPUT?"] | ["OUTP" | "OUTPUT", "STAT?" | "STATE?"] => {
                let on = output.power() == Power::On;
                Some(if on { "1" } else { "0" }.to_owned())
            }
            ["MEAS" | "MEASURE", "CURR?" | "CURRENT?"]
            | ["MEAS" | "MEASURE", "CURR" | "CURRENT", "DC?"]
            | ["MEAS" | "MEASURE", "SCAL" | "SCALAR", "CURR?" | "CURRENT?"] => {
                let current = output.current();
                if current.is_none() {
                    self.fail(-241, "Hardware missing");
                }
                current.map(|amperes| format!("{amperes:.6}"))
            }
            ["MEAS" | "MEASURE", "VOLT?" | "VOLTAGE?"]
            | ["MEAS" | "MEASURE", "VOLT" | "VOLTAGE", "DC?"]
            | ["MEAS" | "MEASURE", "SCAL" | "SCALAR", "VOLT?" | "VOLTAGE?"] => {
                let volts = match output.power() {
                    Power::On => VOLTS,
                    Power::Off => 0.0,
                };
                Some(format!("{volts:.4}"))
            }
            ["SYST" | "SYSTEM", "ERR?" | "ERROR?"]
            | ["SYST" | "SYSTEM", "ERR" | "ERROR", "NEXT?"] => {
                let (code, text) = self.errors.pop_front().unwrap_or((0, "No error"));
                Some(format!("{code},\"{text}\""))
            }
            ["FAUL" | "FAULT", word] => {
                match (word.parse(), self.boolean(argument)) {
                    (Ok(fault), Some(wrong)) => output.set_fault(fault, wrong),
                    (Err(()), _) => self.fail(-113, "Undefined header"),
                    (Ok(_), None) => {}
                }
                None
            }
            _ => {
                self.fail(-113, "Undefined header");
                None
            }
        }
    }

    /// Presses a button, lets go of it, or says whether it is pressed.
    fn button(
        &mut self,
        number: &str,
        is_query: bool,
        argument: &str,
        output: &impl Output,
    ) -> Option<String> {
        // A suffix that is left out is 1.
        let number = if number.is_empty() { "1" } else { number };
        let Some(button) = number.parse().ok().and_then(Button::numbered) else {
            self.fail(-114, "Header suffix out of range");
            return None;
        };
        if is_query {
            let pressed = output.button(button);
            return Some(if pressed { "1" } else { "0" }.to_owned());
        }
        if let Some(pressed) = self.boolean(argument) {
            output.set_button(button, pressed);
        }
        None
    }

    /// A parameter that is on or off.
    fn boolean(&mut self, argument: &str) -> Option<bool> {
        match argument.to_ascii_uppercase().as_str() {
            "ON" | "1" => Some(true),
            "OFF" | "0" => Some(false),
            "" => {
                self.fail(-109, "Missing parameter");
                None
            }
            _ => {
                self.fail(-224, "Illegal parameter value");
                None
            }
        }
    }

    fn fail(&mut self, code: i32, text: &'static str) {
        if self.errors.len() < QUEUE_LENGTH {
            self.errors.push_back((code, text));
        } else if let Some(last) = self.errors.back_mut() {
            *last = (-350, "Queue overflow");
        }
    }
}

/// The number in `BUTTon<n>` and `BUTTon<n>:STATe`, as text; without one where it is another header.
fn button_number<'a>(words: &[&'a str]) -> Option<&'a str> {
    let first = match *words {
        [first] => first.strip_suffix('?').unwrap_or(first),
        [first, "STAT" | "STATE" | "STAT?" | "STATE?"] => first,
        _ => return None,
    };
    let number = first
        .strip_prefix("BUTTON")
        .or_else(|| first.strip_prefix("BUTT"))?;
    number
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;
    use std::cell::Cell;

    struct Lamp {
        power: Cell<Power>,
        pressed: Cell<Option<Button>>,
        wrong: Cell<Option<Fault>>,
    }

    impl Output for Lamp {
        fn power(&self) -> Power {
            self.power.get()
        }
        fn set_power(&self, power: Power) {
            self.power.set(power);
        }
        fn button(&self, button: Button) -> bool {
            self.pressed.get() == Some(button)
        }
        fn set_button(&self, button: Button, pressed: bool) {
            self.pressed.set(pressed.then_some(button));
        }
        fn set_fault(&self, fault: Fault, wrong: bool) {
            self.wrong.set(wrong.then_some(fault));
        }
        fn current(&self) -> Option<f64> {
            Some(0.0042)
        }
    }

    fn lit() -> Lamp {
        Lamp {
            power: Cell::new(Power::On),
            pressed: Cell::new(None),
            wrong: Cell::new(None),
        }
    }

    #[rstest]
    #[case::identity("*IDN?", Some("maker,model"))]
    #[case::state("OUTP?", Some("1"))]
    #[case::long_form("output:state?", Some("1"))]
    #[case::leading_colon(":OUTP?", Some("1"))]
    #[case::off_and_ask("outp off;outp?", Some("0"))]
    #[case::as_a_number("OUTPut 0; OUTPut:STATe?", Some("0"))]
    #[case::current("MEAS:CURR?", Some("0.004200"))]
    #[case::current_long("measure:current:dc?", Some("0.004200"))]
    #[case::voltage("Meas:Volt?", Some("5.0000"))]
    #[case::two_queries("OUTP?;MEAS:VOLT?", Some("1;5.0000"))]
    #[case::no_error("SYST:ERR?", Some("0,\"No error\""))]
    #[case::unknown("OUTPU?", None)]
    #[case::unknown_then_error("NONSENSE;SYST:ERR?", Some("-113,\"Undefined header\""))]
    #[case::bad_value("OUTP MAYBE;SYST:ERR?", Some("-224,\"Illegal parameter value\""))]
    #[case::no_value("OUTP;SYSTEM:ERROR?", Some("-109,\"Missing parameter\""))]
    #[case::needless_value("OUTP? 1;SYST:ERR?", Some("-108,\"Parameter not allowed\""))]
    #[case::button("BUTT1?", Some("0"))]
    #[case::button_pressed("BUTT1 ON;BUTT1?;BUTT2?", Some("1;0"))]
    #[case::button_long("button3:state 1; BUTT3:STAT?", Some("1"))]
    #[case::button_released("BUTT4 ON;BUTT4 OFF;BUTT4?", Some("0"))]
    #[case::button_without_a_number("BUTT ON;BUTT1?", Some("1"))]
    #[case::no_such_button("BUTT5 ON;SYST:ERR?", Some("-114,\"Header suffix out of range\""))]
    #[case::half_pressed("BUTT1 HALF;SYST:ERR?", Some("-224,\"Illegal parameter value\""))]
    #[case::no_button("BUTTER ON;SYST:ERR?", Some("-113,\"Undefined header\""))]
    #[case::fault("FAUL:PROB ON;SYST:ERR?", Some("0,\"No error\""))]
    #[case::no_such_fault("FAUL:SOUP ON;SYST:ERR?", Some("-113,\"Undefined header\""))]
    #[case::nothing("", None)]
    fn a_line_and_its_answer(#[case] line: &str, #[case] expected: Option<&str>) {
        let answer = Session::default().line(line, &lit(), "maker,model");
        assert_eq!(answer.as_deref(), expected);
    }

    #[test]
    fn the_error_queue_has_an_end() {
        let mut session = Session::default();
        for _ in 0..100 {
            session.line("WHAT", &lit(), "");
        }
        let errors: Vec<_> = (0..11)
            .filter_map(|_| session.line("SYST:ERR?", &lit(), ""))
            .collect();
        assert_eq!(errors[9], "-350,\"Queue overflow\"");
        assert_eq!(errors[10], "0,\"No error\"");
    }

    proptest! {
        #[test]
        fn no_line_does_harm(line in "\\PC{0,80}") {
            Session::default().line(&line, &lit(), "");
        }
    }
}
