//! The files of a build, under the names that its build system gives them.

use super::{Build, Update, options};
use ihex::Record;
use std::collections::BTreeMap;
use std::io::{Cursor, Write as _};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

type Files = BTreeMap<String, Vec<u8>>;

pub(super) fn all(build: &Build) -> Files {
    let mut files = Files::new();
    let mut text = |name: String, text: String| {
        // Published build folders have both kinds of line ends; Windows' are the harder ones.
        files.insert(name, text.replace('\n', "\r\n").into_bytes());
    };
    let sysbuild = build.sdk.is_sysbuild();
    let network = build.sdk.network();
    let application = if sysbuild { "app/" } else { "" };
    text(
        format!("{application}zephyr/.config"),
        options::application(build),
    );
    text("mcuboot/zephyr/.config".to_owned(), options::mcuboot(build));
    text(
        "mcuboot/zephyr/autogen-pubkey.c".to_owned(),
        options::key_source(build),
    );
    text(
        format!("{application}zephyr/include/generated/ncs_version.h"),
        format!("#define NCS_VERSION_STRING  \"{}\"\n", build.sdk.version()),
    );
    text(
        format!("{application}CMakeCache.txt"),
        format!("//x\nCACHED_BOARD:STRING={}\n", options::board(build)),
    );
    text("partitions.yml".to_owned(), options::partitions(build));
    if build.network {
        let folder = if sysbuild {
            String::new()
        } else {
            format!("{network}/")
        };
        text(
            format!("{folder}partitions_CPUNET.yml"),
            options::network_partitions(network),
        );
    }
    if sysbuild {
        text("zephyr/.config".to_owned(), options::sysbuild(build));
        text("domains.yaml".to_owned(), options::domains(network));
    }
    binaries(build, &mut files);
    files
}

fn binaries(build: &Build, files: &mut Files) {
    let sysbuild = build.sdk.is_sysbuild();
    let network = build.sdk.network();
    let encrypted = build.update == Update::SwapEncrypted;
    let payload = build.application_payload();
    let plain = build.sign(&payload, false, 1);
    let mut put = |name: &str, bytes: Vec<u8>| files.insert(name.to_owned(), bytes);
    let (signed, unsigned, zip, merged) = if sysbuild {
        (
            "app/zephyr/zephyr.signed.bin",
            "app/zephyr/zephyr.bin",
            "dfu_application.zip",
            "merged.hex",
        )
    } else {
        (
            "zephyr/app_update.bin",
            "zephyr/zephyr.bin",
            "zephyr/dfu_application.zip",
            "zephyr/merged.hex",
        )
    };
    put(unsigned, payload.clone());
    put(signed, plain.clone());
    let mut sent = plain;
    if encrypted {
        sent = build.sign(&payload, true, 2);
        let name = signed.replace(".bin", ".encrypted.bin");
        put(&name, sent.clone());
    }
    put(
        merged,
        // The SDK signs the `.hex` files in a run of their own.
        hex(&if build.second_stage {
            vec![
                (0, build.b0()),
                (options::S0 + 0x200, build.mcuboot()),
                (build.primary(), build.sign(&payload, false, 4)),
            ]
        } else {
            vec![
                (0, build.mcuboot()),
                (build.primary(), build.sign(&payload, false, 4)),
            ]
        }),
    );
    if build.second_stage {
        // MCUboot for either place, to be sent as an update of itself.
        let names = if sysbuild {
            [
                "signed_by_mcuboot_and_b0_mcuboot.bin",
                "signed_by_mcuboot_and_b0_s1_image.bin",
            ]
        } else {
            [
                "zephyr/signed_by_mcuboot_and_b0_s0_image_update.bin",
                "zephyr/signed_by_mcuboot_and_b0_s1_image_update.bin",
            ]
        };
        for name in names {
            put(name, build.sign(&build.mcuboot(), false, 5));
        }
    }
    let mut images = vec![(
        if sysbuild {
            "app.bin"
        } else {
            "app_update.bin"
        },
        sent,
    )];
    if build.network {
        let inner = build.network_payload();
        let update = build.sign(&inner, false, 3);
        let provision = vec![0x50; 0x28];
        let pieces = [
            (0x0100_0000, build.b0n()),
            (0x0100_85A8, provision),
            (0x0100_8800, inner),
        ];
        if sysbuild {
            put(
                &format!("signed_by_mcuboot_and_b0_{network}.bin"),
                update.clone(),
            );
            put("merged_CPUNET.hex", hex(&pieces));
        } else {
            put("zephyr/net_core_app_update.bin", update.clone());
            put(&format!("{network}/zephyr/merged_CPUNET.hex"), hex(&pieces));
        }
        if build.update == Update::Simultaneous {
            images.push((
                if sysbuild {
                    "ipc_radio.bin"
                } else {
                    "net_core_app_update.bin"
                },
                update,
            ));
        }
    }
    put(zip, package(build, &images));
}

/// Intel HEX as the SDK writes it: 16 bytes a record.
pub(super) fn hex(pieces: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let mut records = Vec::new();
    for (start, bytes) in pieces {
        let mut upper = None;
        for (index, chunk) in bytes.chunks(16).enumerate() {
            let address = start + 16 * index as u32;
            if upper != Some(address >> 16) {
                upper = Some(address >> 16);
                records.push(Record::ExtendedLinearAddress((address >> 16) as u16));
            }
            records.push(Record::Data {
                offset: address as u16,
                value: chunk.to_vec(),
            });
        }
    }
    records.push(Record::EndOfFile);
    ihex::create_object_file_representation(&records)
        .unwrap()
        .into_bytes()
}

/// A package as `generate_zip.py` makes it: stored members, the manifest last.
fn package(build: &Build, images: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let sysbuild = build.sdk.is_sysbuild();
    let mut entries = Vec::new();
    for (index, (name, bytes)) in images.iter().enumerate() {
        let (board, soc) = match (sysbuild, index) {
            (true, 0) => ("nrf5340dk", "nrf5340"),
            (true, _) => ("nrf5340dk/nrf5340/cpunet", "nrf5340"),
            (false, 0) => ("nrf5340dk_nrf5340_cpuapp", "nRF5340_CPUAPP_QKAA"),
            (false, _) => ("nrf5340dk_nrf5340_cpunet", "nRF5340_CPUNET_QKAA"),
        };
        let (address, version) = match index {
            0 => (
                build.primary() + 0x200,
                format!("\"version_MCUBOOT\": \"{}+0\"", build.version),
            ),
            _ => (0x0100_8800, "\"version\": \"1\"".to_owned()),
        };
        let slots = if images.len() > 1 {
            format!(
                "\"image_index\": \"{index}\", \"slot_index_primary\": \"{}\", \"slot_index_secondary\": \"{}\", ",
                2 * index + 1,
                2 * index + 2
            )
        } else {
            String::new()
        };
        entries.push(format!(
            "{{ \"type\": \"application\", \"board\": \"{board}\", \"soc\": \"{soc}\", \"load_address\": {address}, \
             {slots}{version}, \"size\": {}, \"file\": \"{name}\", \"modtime\": 1744808282 }}",
            bytes.len()
        ));
    }
    let manifest = format!(
        "{{\r\n    \"format-version\": {},\r\n    \"time\": 1744808310,\r\n    \"files\": [ {} ],\r\n    \"name\": \"app\"\r\n}}",
        u8::from(sysbuild),
        entries.join(", ")
    );
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let members = images
        .iter()
        .map(|(name, bytes)| (*name, bytes.as_slice()))
        .chain([("manifest.json", manifest.as_bytes())]);
    for (name, bytes) in members {
        zip.start_file(name, stored).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}
