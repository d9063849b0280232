//! How many requests may be under way.

/// Good answers in a row after which a window that was made smaller may grow by one.
const GOOD_ANSWERS: u32 = 32;

/// Starts as wide as the server allows. After trouble it closes to one request, its ceiling comes down by one, and it
/// opens again with every good answer; a link that cannot take it settles at what it can take.
#[derive(Debug)]
pub(super) struct Window {
    size: usize,
    ceiling: usize,
    limit: usize,
    good_answers: u32,
}

impl Window {
    pub(super) fn new(limit: usize) -> Self {
        let limit = limit.max(1);
        Self {
            size: limit,
            ceiling: limit,
            limit,
            good_answers: 0,
        }
    }

    pub(super) const fn has_room(&self, in_flight: usize) -> bool {
        in_flight < self.size
    }

    pub(super) fn good_answer(&mut self) {
        self.good_answers += 1;
        if self.good_answers >= GOOD_ANSWERS && self.ceiling < self.limit {
            self.good_answers = 0;
            self.ceiling += 1;
        }
        self.size = (self.size + 1).min(self.ceiling);
    }

    pub(super) fn trouble(&mut self) {
        self.ceiling = self.ceiling.saturating_sub(1).max(1);
        self.size = 1;
        self.good_answers = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_closes_it_and_good_answers_open_it_up_to_the_ceiling() {
        let mut window = Window::new(4);
        assert!(window.has_room(3) && !window.has_room(4));
        window.trouble();
        assert!(window.has_room(0) && !window.has_room(1));
        for _ in 0..GOOD_ANSWERS - 1 {
            window.good_answer();
        }
        assert!(window.has_room(2) && !window.has_room(3));
        window.good_answer();
        assert!(window.has_room(3) && !window.has_room(4));
    }

    #[test]
    fn it_never_closes_entirely() {
        let mut window = Window::new(0);
        for _ in 0..5 {
            assert!(window.has_room(0));
            window.trouble();
        }
    }
}
