//! The throughput of the air, in simulated time: a client with a window against a server that answers at once.

use super::*;
use crate::link::Phy;
use rstest::rstest;
use std::time::Duration;

/// Bytes of an answer to an upload request: header and `{"rc": 0, "off": …}`.
const ANSWER: usize = 24;
/// Bytes of an upload request that are no data: SMP header, map, `off` and `data`.
const OVERHEAD: usize = 26;

fn options(phy: Phy, interval_us: u64, mtu: u16) -> LinkOptions {
    LinkOptions {
        mtu,
        interval: Duration::from_micros(interval_us),
        phy,
        timing: Timing::Realistic,
        ..LinkOptions::default()
    }
}

/// Kilobytes of image data per second, with requests of `frame` bytes and `window` of them under way.
fn goodput(options: LinkOptions, frame: usize, window: usize) -> f64 {
    const REQUESTS: usize = 600;
    let mut air: Air<usize> = Air::new(options, Instant::START, 0);
    let send_request = |air: &mut Air<usize>, now| {
        let mut left = frame;
        while left > 0 {
            let piece = left.min(usize::from(options.mtu) - 3);
            left -= piece;
            air.send(now, Direction::ToPeripheral, piece, left);
        }
    };
    let mut now = Instant::START;
    for _ in 0..window {
        send_request(&mut air, now);
    }
    let mut answered = 0;
    while answered < REQUESTS {
        now = air.poll_timeout().expect("requests are under way");
        for arrival in air.handle_timeout(now) {
            match arrival {
                // The last fragment of a request is the one with nothing left.
                Arrival::Value(Direction::ToPeripheral, 0) => {
                    air.send(now, Direction::ToCentral, ANSWER, 0);
                }
                Arrival::Value(Direction::ToPeripheral, _) => {}
                Arrival::Value(Direction::ToCentral, _) => {
                    answered += 1;
                    send_request(&mut air, now);
                }
                Arrival::Lost => panic!("nothing is lost on this link"),
            }
        }
    }
    let data = (REQUESTS * (frame - OVERHEAD)) as f64;
    data / 1000.0 / now.since_start().as_secs_f64()
}

#[rstest]
#[case::ms7_1m_244(Phy::OneM, 7500, 247, 244, [14.6, 43.8])]
// Two packets a request and an event: the second, short packet of a request takes a whole place.
#[case::ms7_1m_384(Phy::OneM, 7500, 247, 384, [23.9, 47.7])]
#[case::ms7_1m_495(Phy::OneM, 7500, 498, 495, [31.3, 62.5])]
#[case::ms7_1m_2475(Phy::OneM, 7500, 498, 2475, [54.4, 65.3])]
#[case::ms7_2m_244(Phy::TwoM, 7500, 247, 244, [14.6, 43.8])]
#[case::ms7_2m_384(Phy::TwoM, 7500, 247, 384, [23.9, 71.6])]
#[case::ms7_2m_495(Phy::TwoM, 7500, 498, 495, [31.3, 93.8])]
#[case::ms7_2m_2475(Phy::TwoM, 7500, 498, 2475, [108.8, 163.0])]
#[case::ms15_1m_495(Phy::OneM, 15_000, 498, 495, [15.6, 46.9])]
#[case::ms15_1m_2475(Phy::OneM, 15_000, 498, 2475, [54.4, 81.6])]
#[case::ms15_2m_384(Phy::TwoM, 15_000, 247, 384, [11.9, 35.8])]
#[case::ms15_2m_495(Phy::TwoM, 15_000, 498, 495, [15.6, 46.9])]
#[case::ms15_2m_2475(Phy::TwoM, 15_000, 498, 2475, [81.6, 163.0])]
#[case::ms30_1m_2475(Phy::OneM, 30_000, 498, 2475, [40.8, 90.0])]
#[case::ms30_2m_2475(Phy::TwoM, 30_000, 498, 2475, [40.8, 122.0])]
#[case::ms45_2m_495(Phy::TwoM, 45_000, 498, 495, [5.2, 15.6])]
#[case::ms45_2m_2475(Phy::TwoM, 45_000, 498, 2475, [27.2, 81.6])]
fn an_upload_is_as_fast_as_calculated(
    #[case] phy: Phy,
    #[case] interval_us: u64,
    #[case] mtu: u16,
    #[case] frame: usize,
    #[case] expected: [f64; 2],
) {
    for (window, expected) in [1, 3].into_iter().zip(expected) {
        let found = goodput(options(phy, interval_us, mtu), frame, window);
        assert!(
            (found - expected).abs() < 0.03 * expected,
            "window {window}: {found:.1} kB/s, calculated {expected}"
        );
    }
}

#[test]
fn without_timing_all_arrives_at_once_and_in_order() {
    let mut air = Air::new(LinkOptions::default(), Instant::START, 0);
    for value in 0..100 {
        air.send(Instant::START, Direction::ToPeripheral, 495, value);
    }
    assert_eq!(air.poll_timeout(), Some(Instant::START));
    let arrivals = air.handle_timeout(Instant::START);
    assert_eq!(arrivals.len(), 100);
    assert_eq!(arrivals[7], Arrival::Value(Direction::ToPeripheral, 7));
    assert_eq!(air.poll_timeout(), None);
}

#[test]
fn what_is_sent_in_an_event_goes_with_the_next_one() {
    let options = options(Phy::TwoM, 15_000, 498);
    let mut air = Air::new(options, Instant::START, 0);
    let late = Instant::START + Duration::from_millis(40);
    air.send(late, Direction::ToPeripheral, 20, 'a');
    let first = air.poll_timeout().expect("something waits");
    assert_eq!(first, Instant::START + Duration::from_millis(45));
    assert_eq!(
        air.handle_timeout(first),
        [Arrival::Value(Direction::ToPeripheral, 'a')]
    );
    air.send(first, Direction::ToCentral, 20, 'b');
    assert_eq!(air.handle_timeout(first), []);
    assert_eq!(air.poll_timeout(), Some(first + options.interval));
}

#[test]
fn loss_costs_time_and_no_data() {
    let clean = goodput(options(Phy::TwoM, 15_000, 498), 2475, 3);
    let lossy = LinkOptions {
        loss: 0.2,
        seed: 7,
        ..options(Phy::TwoM, 15_000, 498)
    };
    let slower = goodput(lossy, 2475, 3);
    assert!(slower < 0.9 * clean && slower > 0.6 * clean, "{slower:.1}");
    assert_eq!(slower.to_bits(), goodput(lossy, 2475, 3).to_bits());
}

#[test]
fn a_link_on_which_nothing_gets_through_is_lost_after_the_supervision_timeout() {
    let dead = LinkOptions {
        loss: 1.0,
        ..options(Phy::TwoM, 15_000, 498)
    };
    let mut air = Air::new(dead, Instant::START, 0);
    air.send(Instant::START, Direction::ToPeripheral, 20, ());
    loop {
        let now = air.poll_timeout().expect("it is never delivered");
        if air.handle_timeout(now) == [Arrival::Lost] {
            assert_eq!(now, Instant::START + Duration::from_millis(420));
            return;
        }
    }
}

#[test]
fn a_writer_has_to_wait_when_the_queue_is_full() {
    let mut air = Air::new(options(Phy::TwoM, 15_000, 498), Instant::START, 0);
    for _ in 0..BACK_PRESSURE {
        assert!(air.has_room());
        air.send(Instant::START, Direction::ToPeripheral, 495, ());
    }
    assert!(!air.has_room());
    let now = air.poll_timeout().expect("something waits");
    assert_eq!(air.handle_timeout(now).len(), 5);
    assert!(air.has_room());
}
