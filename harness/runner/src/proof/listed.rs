//! A board's image list as the journal has it, and back.

use hil_record::ListedImage;
use hil_scenario::{Core, ImageRef};
use hil_smp::message::{ImageState, SlotState};

/// The image that a name in the journal stands for, such as `update.app`.
pub(crate) fn role(name: &str) -> Option<ImageRef> {
    let (release, core) = name.rsplit_once('.')?;
    let core = match core {
        "app" => Core::App,
        "net" => Core::Net,
        _ => return None,
    };
    Some(ImageRef::new(release, core))
}

/// The flags by name.
fn flags(entry: &SlotState) -> [(&'static str, bool); 5] {
    [
        ("bootable", entry.bootable),
        ("pending", entry.pending),
        ("confirmed", entry.confirmed),
        ("active", entry.active),
        ("permanent", entry.permanent),
    ]
}

/// An image list for the journal.
pub(crate) fn listed(list: &ImageState) -> Vec<ListedImage> {
    let entry = |entry: &SlotState| ListedImage {
        image: entry.image,
        slot: entry.slot,
        version: entry.version.clone(),
        hash: entry.hash.as_ref().map(hex::encode),
        flags: flags(entry)
            .into_iter()
            .filter(|(_, set)| *set)
            .map(|(name, _)| name.to_owned())
            .collect(),
    };
    list.images.iter().map(entry).collect()
}

/// The image list that a journal tells of; `None` when a hash in it is none.
pub(crate) fn image_state(list: &[ListedImage]) -> Option<ImageState> {
    let entry = |entry: &ListedImage| {
        let hash = entry.hash.as_ref().map(hex::decode).transpose().ok()?;
        Some(SlotState {
            image: entry.image,
            slot: entry.slot,
            version: entry.version.clone(),
            hash,
            bootable: entry.is("bootable"),
            pending: entry.is("pending"),
            confirmed: entry.is("confirmed"),
            active: entry.is("active"),
            permanent: entry.is("permanent"),
        })
    };
    Some(ImageState {
        images: list.iter().map(entry).collect::<Option<_>>()?,
        split_status: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_list_comes_back_from_the_journal_as_it_was() {
        let list = ImageState {
            images: vec![
                SlotState {
                    image: Some(1),
                    slot: 1,
                    version: Some("2.0.0".to_owned()),
                    hash: Some(vec![0xAB; 32]),
                    bootable: true,
                    pending: true,
                    ..SlotState::default()
                },
                SlotState {
                    confirmed: true,
                    active: true,
                    ..SlotState::default()
                },
            ],
            split_status: None,
        };
        assert_eq!(image_state(&listed(&list)), Some(list));
    }

    #[test]
    fn a_hash_that_is_none_makes_no_list() {
        let damaged = ListedImage {
            hash: Some("xy".to_owned()),
            ..ListedImage::default()
        };
        assert_eq!(image_state(&[damaged]), None);
    }
}
