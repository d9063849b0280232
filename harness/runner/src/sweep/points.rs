//! From names of points to cuts of the model, and back.
//!
//! The model counts all operations, also those on flash that a bootloader only simulates in RAM; names of points count those
//! that a board does. Both numbers are kept side by side here.

use super::torn::Middle;
use crate::trouble::{Checked, Trouble};
use hil_bootloader::{Cut, DeviceId, Operation};
use hil_record::ErrorKind;
use hil_scenario::{Class, CutPoint, Edge, Phase};

/// Operations that a board does, with their numbers among all that the model does.
pub(super) type Numbered = Vec<(u32, Operation)>;

/// A point as the model counts, in what does these operations.
pub(super) fn cut_at(
    point: &CutPoint,
    phase: Phase,
    operations: &[(u32, Operation)],
) -> Checked<(Cut, Operation)> {
    let wrong = |why: String| {
        Err(
            Trouble::error(ErrorKind::Inconclusive, format_args!("plan drift: cut {point} {why}")).with_help(
                "the name is of another firmware set, another image or another version of the model; list the points anew \
                 with a sweep",
            ),
        )
    };
    if point.phase != phase {
        let here = match phase {
            Phase::Boot => "a start",
            Phase::Upload => "an upload",
            Phase::Erase => "an erasure that the application is asked for",
            Phase::Confirm => "a confirmation",
            Phase::Request => "a request",
        };
        return wrong(format!(
            "is in another phase: what is interrupted there is {here}"
        ));
    }
    let Some((number, operation)) = operations.get(point.index as usize) else {
        return wrong(format!(
            "is behind the end: there are {} operations",
            operations.len()
        ));
    };
    if Class::of(operation) != point.class {
        return wrong(format!(
            "is no {}: operation {} is {}",
            point.class,
            point.index,
            Class::of(operation)
        ));
    }
    let torn = match point.edge {
        Edge::Before => 0,
        Edge::Torn if stands_nowhere(point.index as usize, operations) => {
            return wrong(
                "is where one core takes over from the other: the one that begins does not stand there, and cannot be torn"
                    .to_owned(),
            );
        }
        Edge::Torn => Middle::of(operation).done,
        Edge::Inside(bytes) if bytes < operation.length => bytes,
        Edge::Inside(_) => {
            return wrong(format!(
                "is not inside: the operation has {} bytes",
                operation.length
            ));
        }
        Edge::After => operation.length,
    };
    Ok((Cut { ops: *number, torn }, *operation))
}

/// Whether the core that does an operation does not stand in front of what would be torn of it: a board stands where the
/// operation before has ended, on the core that did that one; and at the beginning it is the application core.
fn stands_nowhere(index: usize, operations: &[(u32, Operation)]) -> bool {
    let network = |index: usize| {
        operations
            .get(index)
            .is_some_and(|(_, operation)| operation.device == DeviceId::NetFlash)
    };
    let begins = operations
        .get(index)
        .is_some_and(|(_, operation)| Middle::of(operation).done == 0);
    let stands = index.checked_sub(1).is_some_and(network);
    begins && stands != network(index)
}

/// Operations on flash that a board has, with their numbers among all.
pub(super) fn on_board(operations: &[Operation]) -> Numbered {
    (0..)
        .zip(operations)
        .filter(|(_, operation)| operation.device != DeviceId::RamFlash)
        .map(|(number, operation)| (number, *operation))
        .collect()
}

/// The point at the operation with this index; `None` inside one in front of which its core does not stand.
pub(super) fn point_at(
    phase: Phase,
    index: usize,
    edge: Edge,
    operations: &[(u32, Operation)],
) -> Option<CutPoint> {
    let (_, operation) = operations.get(index)?;
    if edge == Edge::Torn && stands_nowhere(index, operations) {
        return None;
    }
    Some(CutPoint::before(phase, u32::try_from(index).ok()?, operation).at(edge))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hil_bootloader::OperationKind;
    use rstest::rstest;

    const APP_THEN_NETWORK: [DeviceId; 4] = [
        DeviceId::AppFlash,
        DeviceId::NetFlash,
        DeviceId::NetFlash,
        DeviceId::AppFlash,
    ];

    /// Where there is nothing of an operation that could be done before its middle, its core must stand in front of it.
    #[rstest]
    #[case::application_core_at_its_reset(0, false)]
    #[case::network_core_that_begins(1, true)]
    #[case::network_core_that_goes_on(2, false)]
    #[case::application_core_that_takes_over(3, true)]
    fn only_a_core_that_stands_can_have_its_flash_torn(
        #[case] index: usize,
        #[case] nowhere: bool,
    ) {
        let operations: Numbered = (0..)
            .zip(APP_THEN_NETWORK)
            .map(|(number, device)| {
                let operation = Operation {
                    kind: OperationKind::Write,
                    device,
                    offset: 0,
                    length: 4,
                    torn: false,
                };
                (number, operation)
            })
            .collect();
        assert_eq!(stands_nowhere(index, &operations), nowhere);
        let point = point_at(Phase::Boot, index, Edge::Torn, &operations);
        assert_eq!(point.is_none(), nowhere);
    }
}
