# What `cmake --install` installs, and the Debian package that `cpack -G DEB` makes of it.

include(GNUInstallDirs)

# What is installed has been built by name; a package does not wait for tests.
set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY ON)

install(TARGETS causewayd RUNTIME DESTINATION ${CMAKE_INSTALL_SBINDIR})
install(TARGETS causeway RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(PROGRAMS deploy/causeway-bind DESTINATION ${CMAKE_INSTALL_SBINDIR})
install(FILES deploy/package/causewayd.service DESTINATION lib/systemd/system)
install(FILES deploy/package/causeway.default DESTINATION /etc/default RENAME causeway)
install(FILES deploy/monitoring/alerts.yml deploy/monitoring/dashboard.json DESTINATION share/causeway/monitoring)
install(FILES docs/man/causeway.1 DESTINATION share/man/man1)
install(FILES docs/man/causeway-rpc.7 DESTINATION share/man/man7)
install(FILES docs/man/causewayd.8 DESTINATION share/man/man8)
install(FILES deploy/completion/causeway DESTINATION share/bash-completion/completions)
install(FILES README.md CHANGELOG.md SECURITY.md docs/conformance.md docs/events.md docs/operations.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} RENAME copyright)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME causeway)
set(CPACK_PACKAGE_CONTACT "Causeway developers <root@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "NVMe over Fabrics gateway to Ceph RBD images and local NVMe SSDs")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "python3:any")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "rdma-core, ibverbs-providers")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
file(WRITE ${CMAKE_BINARY_DIR}/conffiles "/etc/default/causeway\n")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${CMAKE_SOURCE_DIR}/deploy/package/postinst ${CMAKE_SOURCE_DIR}/deploy/package/prerm
                                       ${CMAKE_SOURCE_DIR}/deploy/package/postrm ${CMAKE_BINARY_DIR}/conffiles)
include(CPack)
