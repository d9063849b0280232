//! Any bytes as an image, and as a slot with a trailer.
#![no_main]

use hil_image::network::NetworkImage;
use hil_image::trailer::{SwapMode, Trailer, TrailerLayout};
use hil_image::{Image, Verifier};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(image) = Image::parse(bytes) {
        assert!(image.len() <= bytes.len());
        let _ = image.dependencies();
        let _ = image.security_counter();
        let _ = Verifier::unsigned().suited_to(&image).verify(&image);
        let _ = NetworkImage::parse(image.payload());
    }
    let layout = TrailerLayout {
        max_sectors: 4,
        ..TrailerLayout::new(SwapMode::Offset)
    };
    let _ = Trailer::read(bytes, &layout);
});
