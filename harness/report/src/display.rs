//! Text from boards, files and people, made safe to show.
//!
//! A board can print anything: colours, a bell, sequences that move the cursor or retitle a terminal, text that runs
//! backwards. None of it may do anything in a report. Escaping for HTML and Markdown comes after this.

use std::borrow::Cow;
use std::iter::Peekable;
use std::str::Chars;

/// `text` with nothing in it but what can be seen: terminal sequences are left out, and control characters are shown
/// by their symbols (`␀`) or numbers (`⟨202E⟩`).
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|c| c.is_control() || is_unseen(c)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' if skip_sequence(&mut chars) => {}
            '\t' => out.push(' '),
            '\u{0}'..='\u{1f}' => out.extend(char::from_u32(0x2400 + c as u32)),
            '\u{7f}' => out.push('\u{2421}'),
            c if c.is_control() || is_unseen(c) => out.push_str(&format!("⟨{:04X}⟩", c as u32)),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// Characters that change how others are shown, or cannot be seen (Unicode: bidirectional controls, joiners, tags).
const fn is_unseen(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

/// Skips what follows an escape character, when it is a sequence of ECMA-48; else nothing.
fn skip_sequence(chars: &mut Peekable<Chars<'_>>) -> bool {
    match chars.peek() {
        // CSI: parameters, then one final character.
        Some('[') => {
            chars.next();
            while chars
                .next_if(|c| matches!(c, '\u{20}'..='\u{3f}'))
                .is_some()
            {}
            chars.next_if(|c| matches!(c, '\u{40}'..='\u{7e}'));
            true
        }
        // OSC and its like: text up to BEL or another escape character with a backslash.
        Some(']' | 'P' | '^' | '_' | 'X') => {
            while let Some(c) = chars.next_if(|c| *c != '\u{1b}') {
                if c == '\u{7}' {
                    return true;
                }
            }
            chars.next();
            chars.next_if_eq(&'\\');
            true
        }
        Some('\u{40}'..='\u{5f}') => {
            chars.next();
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case::plain("I: Starting <b>", "I: Starting <b>")]
    #[case::colour("\u{1b}[1;31mE: no\u{1b}[0m", "E: no")]
    #[case::title("\u{1b}]0;evil\u{7}after", "after")]
    #[case::title_with_st("\u{1b}]0;evil\u{1b}\\after", "after")]
    #[case::cut_off("line\u{1b}[3", "line")]
    #[case::lone_escape("a\u{1b}", "a␛")]
    #[case::bell_and_nul("\u{7}\0", "␇␀")]
    #[case::line_ends("a\r\nb\tc", "a␍␊b c")]
    #[case::backwards("\u{202e}txt", "⟨202E⟩txt")]
    #[case::c1("\u{9b}31m", "⟨009B⟩31m")]
    fn what_a_board_prints_is_shown_and_does_nothing(#[case] text: &str, #[case] shown: &str) {
        assert_eq!(visible(text), shown);
    }

    proptest! {
        #[test]
        fn nothing_unseen_is_left_of_any_text(text in ".*") {
            let shown = visible(&text).into_owned();
            prop_assert!(!shown.chars().any(|c| c.is_control() || is_unseen(c)), "{shown:?}");
            prop_assert_eq!(visible(&shown).into_owned(), shown.clone());
        }
    }
}
