//! The SMP server of a set's applications, as they were built.
//!
//! A real board shows it by its answers. A virtual one cannot execute a real application, and whether an image list of both
//! cores fits into an answer depends on the size of a buffer.

use serde::{Deserialize, Serialize};

/// What is known of the SMP server; what is not told is as Zephyr has it by default.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct SmpServer {
    /// `MCUMGR_TRANSPORT_NETBUF_SIZE`, bytes: SMP header and payload of a request or an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub buf_size: Option<u32>,
    /// `MCUMGR_TRANSPORT_NETBUF_COUNT`: requests and answers at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub buf_count: Option<u32>,
    /// `MCUMGR_TRANSPORT_BT_REASSEMBLY`: requests over Bluetooth may be longer than one write.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ble_reassembly: Option<bool>,
    /// `MCUMGR_GRP_OS_MCUMGR_PARAMS`: tells both sizes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub params: Option<bool>,
    /// `IMG_ENABLE_IMAGE_CHECK`: compares a slot with the SHA-256 that the client announced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_check: Option<bool>,
    /// `MCUMGR_GRP_IMG_SLOT_INFO`: tells the sizes of slots.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slot_info: Option<bool>,
    /// `MCUMGR_GRP_IMG_FRUGAL_LIST`: leaves flags that are not set out of image lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frugal_list: Option<bool>,
}
