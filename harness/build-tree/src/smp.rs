//! The SMP server of an application, from its `.config`.

use crate::kconfig::Kconfig;
use hil_scenario::SmpServer;

/// What the application was built with; nothing where it has no server. Zephyr renamed the options in 3.3, that is in SDK
/// 2.3 (zephyr `doc/releases/release-notes-3.3.rst`); the older names come second.
pub(crate) fn smp_server(options: &Kconfig) -> SmpServer {
    if !options.is_on("CONFIG_MCUMGR") {
        return SmpServer::default();
    }
    let number = |names: [&str; 2]| names.iter().find_map(|name| options.number(name));
    let feature = |names: [&str; 2]| {
        let name = names.iter().find(|name| options.knows(name))?;
        Some(options.is_on(name))
    };
    SmpServer {
        buf_size: number([
            "CONFIG_MCUMGR_TRANSPORT_NETBUF_SIZE",
            "CONFIG_MCUMGR_BUF_SIZE",
        ]),
        buf_count: number([
            "CONFIG_MCUMGR_TRANSPORT_NETBUF_COUNT",
            "CONFIG_MCUMGR_BUF_COUNT",
        ]),
        ble_reassembly: feature([
            "CONFIG_MCUMGR_TRANSPORT_BT_REASSEMBLY",
            "CONFIG_MCUMGR_SMP_REASSEMBLY_BT",
        ]),
        params: feature([
            "CONFIG_MCUMGR_GRP_OS_MCUMGR_PARAMS",
            "CONFIG_OS_MGMT_MCUMGR_PARAMS",
        ]),
        image_check: feature(["CONFIG_IMG_ENABLE_IMAGE_CHECK"; 2]),
        slot_info: feature(["CONFIG_MCUMGR_GRP_IMG_SLOT_INFO"; 2]),
        frugal_list: feature([
            "CONFIG_MCUMGR_GRP_IMG_FRUGAL_LIST",
            "CONFIG_IMG_MGMT_FRUGAL_LIST",
        ]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::names_from_sdk_2_3_on(
        "CONFIG_MCUMGR=y\nCONFIG_MCUMGR_TRANSPORT_NETBUF_SIZE=2475\nCONFIG_MCUMGR_TRANSPORT_NETBUF_COUNT=4\n\
         CONFIG_MCUMGR_TRANSPORT_BT_REASSEMBLY=y\n# CONFIG_MCUMGR_GRP_IMG_FRUGAL_LIST is not set\n"
    )]
    #[case::names_before(
        "CONFIG_MCUMGR=y\nCONFIG_MCUMGR_BUF_SIZE=2475\nCONFIG_MCUMGR_BUF_COUNT=4\n\
         CONFIG_MCUMGR_SMP_REASSEMBLY_BT=y\n# CONFIG_IMG_MGMT_FRUGAL_LIST is not set\n"
    )]
    fn options_are_found_under_their_names_of_either_time(#[case] config: &str) {
        let found = smp_server(&Kconfig::parse(config));
        let expected = SmpServer {
            buf_size: Some(2475),
            buf_count: Some(4),
            ble_reassembly: Some(true),
            frugal_list: Some(false),
            ..SmpServer::default()
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn an_application_without_a_server_tells_nothing() {
        let config = "# CONFIG_MCUMGR is not set\nCONFIG_IMG_ENABLE_IMAGE_CHECK=y\n";
        assert_eq!(smp_server(&Kconfig::parse(config)), SmpServer::default());
    }
}
